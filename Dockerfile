# One image for every process: web server (the default command), worker, sandbox and commands.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv .venv
COPY requirements.txt .
RUN .venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt
COPY . .
# Collecting static files needs no secrets, but the settings do: these exist for one command only.
RUN env $(.venv/bin/python ops/new_secrets.py) .venv/bin/python manage.py collectstatic --no-input

FROM python:3.11-slim-bookworm
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
