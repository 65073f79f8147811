# `candid serve` and what it needs: no compiler, nothing that only training needs, no root.
#     docker build -t candid .
#     docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD/runs:/srv/runs:ro" candid
FROM python:3.12-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY vendoring vendoring
RUN python -m venv /opt/candid && /opt/candid/bin/pip install --no-cache-dir ".[serve]"

FROM python:3.12-slim
COPY --from=build /opt/candid /opt/candid
RUN useradd --system --no-create-home candid
ENV PATH=/opt/candid/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv
USER candid
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["candid", "serve"]
CMD ["runs/latest", "--host", "0.0.0.0"]
