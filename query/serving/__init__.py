"""A lake in the browser: what ``neurolake serve`` answers.

Needs the extra ``neurolake[serve]`` (starlette and uvicorn).
"""
