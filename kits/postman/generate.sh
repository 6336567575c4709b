#!/usr/bin/env bash
# Turns the OpenAPI document into a Postman collection: generate.sh FILE. It has a folder for each tag and a
# request with an example for each operation.
set -euo pipefail
target=$(realpath -m "$1")
folder=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$folder/../.." && pwd)
work=$(mktemp -d /tmp/voiceops-postman.XXXXXX)
trap 'rm -rf "$work"' EXIT
DEBUG=1 "$root/.venv/bin/python" "$root/manage.py" spectacular --format openapi-json --file "$work/openapi.json"

cp "$folder"/package*.json "$work"
cd "$work"
npm ci --ignore-scripts --no-audit --no-fund --silent
node_modules/.bin/openapi2postmanv2 -s openapi.json -o collection.json \
    -O folderStrategy=Tags,parametersResolution=Example >/dev/null
"$root/.venv/bin/python" "$folder/finish_collection.py" openapi.json collection.json
mkdir -p "$(dirname "$target")"
cp collection.json "$target"
echo "Wrote $target"
