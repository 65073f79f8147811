"""`candid serve`: trained runs behind HTTP.

    connection ─▶ Guard ─▶ route ─ read_body ─▶ bytes ─ read_uploads ─▶ images
    (time limits) (token,          (size limits)       (any of 3 forms)   │ decode, in threads
                   headers)                                               ▼
    JSON ◀─ answers ◀─ Prediction ◀─ Batcher (one-thread workers, what waits together) ◀─ pixels

What is accepted is counted in `Admission`: beyond its bounds a request is refused with 503, so that
memory does not grow with the number of clients. Nothing here is imported by any other room, and
FastAPI only once `candid serve` runs.
"""
