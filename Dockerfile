# One image for every process of the control plane: web server (the default command), sandbox and
# commands. Its worker, which rehearses agents, has the voice worker's packages as well (`--target
# worker`); the voice worker has an image without the control plane (`--target voice`).
FROM python:3.11-slim-bookworm AS voice-build
WORKDIR /app
RUN python -m venv .venv-worker
COPY requirements-worker-local.txt .
# With bytecode: the process from which calls are forked imports some 1,700 modules.
RUN .venv-worker/bin/pip install --no-cache-dir --compile --no-deps --require-hashes -r requirements-worker-local.txt

FROM python:3.11-slim-bookworm AS voice
RUN useradd --system --uid 10001 --no-create-home voiceops && install -d -o voiceops /data \
    && apt-get update -qq && apt-get install -qq -y --no-install-recommends espeak-ng && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=voice-build /app/.venv-worker /app/.venv-worker
# Its own code, and the pure modules that it imports.
COPY voice voice
COPY agents/__init__.py agents/prompts.py agents/
COPY voiceops/__init__.py voiceops/
COPY voiceops/core voiceops/core
COPY ops/data/demo_agent.json ops/data/
ENV PATH=/app/.venv-worker/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DATA_DIR=/data
USER voiceops
VOLUME /data
STOPSIGNAL SIGTERM
CMD ["python", "-m", "voice", "start"]

FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv .venv
COPY requirements.txt .
RUN .venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt
COPY . .
# Collecting static files needs no secrets, but the settings do: these exist for one command only.
RUN env $(.venv/bin/python ops/new_secrets.py) .venv/bin/python manage.py collectstatic --no-input

FROM python:3.11-slim-bookworm AS control-plane
RUN useradd --system --uid 10001 --no-create-home voiceops && install -d -o voiceops /data
WORKDIR /app
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/data
USER voiceops
VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "-c", "python:ops.gunicorn_conf", "--bind", "0.0.0.0:8000", "voiceops.wsgi"]

FROM control-plane AS worker
USER root
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends espeak-ng && rm -rf /var/lib/apt/lists/*
# Where rehearsals look for it.
COPY --from=voice-build /app/.venv-worker /app/.venv-worker
USER voiceops

FROM control-plane
