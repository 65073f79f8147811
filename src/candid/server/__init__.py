"""`candid serve`: trained runs behind HTTP.

    connection ─▶ Guard ─▶ route ─ read_body ─▶ bytes ─ read_uploads ─▶ images
    (time limits) (token,          (size limits)       (any of 3 forms)   │
                   headers)                                               ▼
    JSON ◀───────────────────────────── Answerer (in a thread for each core: decode, run the graph)

`Admission` counts accepted work: requests beyond its limits get 503, so memory does not grow with
the number of clients. Only `candid.cli` imports this package, and FastAPI is imported only once
`candid serve` runs.
"""
