"""A local web app over an opened folder: look, clean, label, train, try and ship.

    project      the folder: its photos, embeddings and copies, kept up to date; where state is kept
    routes/      HTTP, one module a screen; nothing is computed here that the library does not
    page/        the screens, in the browser
    app, guard   the app on loopback, and who may ask

A photo has a number, its place in `Project.photos`, which never changes while the studio runs.
Paths are shown and never taken from a request.
"""
