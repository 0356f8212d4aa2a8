#!/bin/sh
# Installs what the programs need into a new environment, in a container as in a plain folder:
#     docker/install.sh FOLDER cpu|gpu|tpu
set -eu
folder=$1 kind=$2
case $kind in
cpu | gpu) set -- -r requirements.txt -c constraints.txt ;;
tpu) set -- --no-deps -r requirements-tpu.txt ;; # why: docs/tpu.md
*) echo "error: $kind: expected cpu, gpu or tpu" && exit 2 ;;
esac
"${PYTHON:-python3}" -m venv "$folder"
pip="$folder/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check"
$pip "$@"
if [ "$kind" = gpu ]; then
	$pip "tensorflow[and-cuda]==$("$folder/bin/python" -c 'from importlib.metadata import version; print(version("tensorflow"))')" -c constraints.txt
fi
