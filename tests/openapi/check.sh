#!/usr/bin/env bash
# Lints the OpenAPI document with the recommended rules of redocly and spectral (no error, no warning),
# and compiles a TypeScript client made from it, which uploads a list, follows it and reads results.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d /tmp/voiceops-openapi.XXXXXX)
trap 'rm -rf "$work"' EXIT
DEBUG=1 ../../.venv/bin/python ../../manage.py spectacular --format openapi-json --file "$work/openapi.json"

cp package.json package-lock.json spectral.yaml client.ts "$work"
cd "$work"
npm ci --ignore-scripts --no-audit --no-fund --silent
export PATH="$work/node_modules/.bin:$PATH" REDOCLY_TELEMETRY=off
redocly lint --extends=recommended --format=stylish openapi.json 2>&1 | tee redocly.log
! grep -q ' warning ' redocly.log
spectral lint --fail-severity=warn --ruleset spectral.yaml openapi.json
openapi-typescript openapi.json --output schema.d.ts
tsc --noEmit --strict --skipLibCheck --target es2022 --module nodenext --moduleResolution nodenext client.ts
