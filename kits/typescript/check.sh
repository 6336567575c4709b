#!/usr/bin/env bash
# Generates the TypeScript kit from the API, compiles it, runs its tests, and lets its example and those of
# docs/typescript.md do the whole job against an installation on the sandbox, which listens on free ports and writes into a temporary folder.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
work=$(mktemp -d /tmp/voiceops-kit.XXXXXX)
server=
stop() {
    [ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 143' INT TERM

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

manage() {
    "$root/.venv/bin/python" "$root/manage.py" "$@"
}

export DEBUG=1 DATA_DIR="$work/data"
unset DATABASE_URL CELERY_BROKER_URL
PORT=$(free_port)
SANDBOX_PORT=$(free_port)
export PORT SANDBOX_PORT SERVER="http://127.0.0.1:$PORT"

./build.sh
npm test --silent

# Not through a function: the process to be stopped is the server itself.
"$root/.venv/bin/python" "$root/manage.py" serve >"$work/serve.log" 2>&1 &
server=$!
for _ in $(seq 600); do
    ! grep -q '^Ctrl-C stops everything' "$work/serve.log" || break
    kill -0 "$server" 2>/dev/null || { cat "$work/serve.log"; exit 1; }
    sleep 0.2
done
manage create_workspace Kit --admin kit@example.com >/dev/null
KEY=$(manage create_api_key --workspace Kit --name kit --role admin)
export KEY
timeout 120 node dist/examples/whole-job.js | tee "$work/output"
timeout 120 node dist/tests/run-page.js | tee -a "$work/output"
for line in 'refused: Missing required variables: name' '+12025550165 no_answer' 'row 5 invalid_number' \
    'Hello Ada, I am calling about Monday.' 'the page: +12025550103 answered' 'the page: 401'; do
    grep -qxF -- "$line" "$work/output" || { echo "The example did not print: $line"; exit 1; }
done
