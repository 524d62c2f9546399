"""Lakes in notebooks: the components of the page as widgets, and a cell magic for SQL.

Widgets need the extra ``neurolake[notebook]`` (anywidget).
"""
