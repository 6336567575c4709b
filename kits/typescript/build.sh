#!/usr/bin/env bash
# Generates the TypeScript kit from the API, and compiles it: what npm pack makes a package of.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)

DEBUG=1 "$root/.venv/bin/python" "$root/manage.py" spectacular --format openapi-json --file openapi.json
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --ignore-scripts --no-audit --no-fund --silent
npm run --silent generate
# The examples of the page are compiled as they stand there.
awk '/^```typescript/ { file = "examples/page-" ++count ".ts"; next } /^```/ { file = "" } file { print > file }' \
    "$root/docs/typescript.md"
npm run --silent build
