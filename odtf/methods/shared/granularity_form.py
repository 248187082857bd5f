"""The forms of multi-granularity: which of its arguments go together, with pairs and without."""


def check_form(teachers, paired, alone, *, teachers_every, teacher_epochs, turn_epochs):
    """Checks that there are teachers where the student needs them, and that the paces are whole numbers.

    Args:
        teachers: which there are, some of "wide" and "deep".
        paired: bool, whether the task's images have pairs.
        alone: bool, whether the student is trained as a teacher is.
        teachers_every, teacher_epochs, turn_epochs: as of the method.

    Raises:
        ValueError: in one line, if not.
    """
    received = " and ".join(teachers) or "neither"
    if not paired and (alone or list(teachers) != ["wide"]):
        raise ValueError(
            "Without pairs (paired=False) the student learns from the wide_network alone, without a deep_network, and "
            f"not alone. Received: {received}, alone={alone}."
        )
    if alone != (not teachers):
        wanted = "no wide_network and no deep_network" if alone else "a wide_network, a deep_network or both"
        raise ValueError(f"With alone={alone} the method takes {wanted}. Received: {received}.")
    turn = 1 if turn_epochs is None else turn_epochs
    paces = (("teachers_every", teachers_every, 1), ("teacher_epochs", teacher_epochs, 0), ("turn_epochs", turn, 1))
    for name, value, least in paces:
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}. Received: {value!r}.")
    if alone and teacher_epochs:
        raise ValueError(f"Alone there are no teachers. Received: teacher_epochs={teacher_epochs}.")
    if paired and turn_epochs is not None:
        raise ValueError(f"Turns are for images without pairs (paired=False). Received: turn_epochs={turn_epochs}.")
    if not paired and not teacher_epochs:
        raise ValueError(
            "Without pairs (paired=False) the student learns from what its teacher was at its best: teacher_epochs "
            "must be 1 or more. Received: teacher_epochs=0."
        )
