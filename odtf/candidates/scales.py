"""Axes of a plot of costs whose ticks and names do not lie on each other."""

# A range below which a logarithmic axis would have no round number, or one.
_NARROW = 4
# How near to one that has its name a point of a front gets none: shares of the width and of the height.
_NEAR = 0.22, 0.07


def cost_axis(axes, label):
    """Makes an x axis one of costs: logarithmic where they span much, with few ticks.

    Args:
        axes: matplotlib's, with everything drawn.
        label: of the axis.
    """
    from matplotlib import ticker

    low, high = axes.dataLim.intervalx
    if low > 0 and high / low >= _NARROW:
        axes.set_xscale("log")
        subs = (1, 2, 5) if high / low < 20 else (1, 3) if high / low < 200 else (1,)
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=subs, numticks=8))
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    else:
        axes.xaxis.set_major_locator(ticker.MaxNLocator(4))
    axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    axes.tick_params(labelsize=8)
    axes.set_xlabel(label)
    axes.grid(alpha=0.3)


def name_front(axes, places):
    """Writes the names of a front's points beside them, inside of the axes.

    On a front more quality costs more: below to the right of a point, and above to the left of it, there is no other.

    Args:
        axes: matplotlib's, with everything drawn.
        places: mapping from (x, y) to a name, the cheapest first.
    """
    named = []
    axes.autoscale_view()  # Until then shares would be those of an empty plot.
    to_share = axes.transScale + axes.transLimits
    for place, name in places.items():
        x, y = to_share.transform(place)
        if any(abs(x - left) < _NEAR[0] and abs(y - down) < _NEAR[1] for left, down in named):
            continue
        named.append((x, y))
        left = x < 0.5
        offset, sides = ((5, -4), ("left", "top")) if left else ((-5, 4), ("right", "bottom"))
        axes.annotate(name, place, offset, textcoords="offset points", ha=sides[0], va=sides[1], fontsize=7)
