#!/bin/sh
# Makes .env for compose.yaml: random secrets, readable by its owner alone. What is there already stays.
set -eu
cd "$(dirname "$0")/../.."
umask 077
file=${1:-.env}

random() { # 64 hex digits: nothing in them needs quoting, in a URL or in .env
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

touch "$file"
chmod 600 "$file"
for name in RABBITMQ_PASSWORD RABBITMQ_CONSOLE_PASSWORD QUIRE_SIGNING_KEYS QUIRE_OPERATOR_TOKEN; do
    if ! grep -q "^$name=." "$file"; then
        printf '%s=%s\n' "$name" "$(random)" >>"$file"
        made="${made:-} $name"
    fi
done
if [ -n "${made:-}" ]; then
    echo "Quire: made$made in $file."
else
    echo "Quire: $file has everything already."
fi
