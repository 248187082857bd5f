"""Templates of what goes beside a file: those of the export, and those of a task, which may extend them."""


def environment_of(task):
    """Returns the environment in which templates of a task are found first, those of the export then.

    Args:
        task: `odtf.tasks.Task`.
    """
    import jinja2

    places = [jinja2.FileSystemLoader(task.templates)] if task.templates else []
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([*places, jinja2.PackageLoader("odtf.export")]),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown, and a page that escapes what it is given.
        keep_trailing_newline=True,
    )


def snippet_of(environment, task, kind):
    """Returns the name of the template that shows a file's use: the task's own, or one for any task; None without.

    Args:
        environment: what `environment_of` returns.
        task: `odtf.tasks.Task`.
        kind: key of the task's `snippets`.
    """
    known = environment.list_templates()
    return next((name for name in (task.snippets.get(kind), f"snippet_{kind}.md.j2") if name in known), None)
