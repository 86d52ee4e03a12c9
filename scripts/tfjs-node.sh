#!/usr/bin/env bash
# Puts the real @tensorflow/tfjs-node where packages/tfjs finds it, for `residual conform --backends tfjs-node`. The
# workspace does not depend on it, since its install script fails where it cannot download libtensorflow.
#
#   bash scripts/tfjs-node.sh        installs it as npm does
#   bash scripts/tfjs-node.sh wheel  compiles its addon against the libtensorflow of PyPI's tensorflow-cpu, 0.9 GiB;
#                                    Linux x64, with pip, unzip and g++
set -euo pipefail
cd "$(dirname "$0")/.."
tensorflow=2.12.1 # the first whose wheel has the library apart from Python's; the install script's is 2.9.1
folder=$PWD/node_modules/.cache/tfjs-node
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
echo '{ "private": true }' >package.json
package=$folder/node_modules/@tensorflow/tfjs-node

if [ "${1:-}" = wheel ]; then
  npm install --ignore-scripts --no-audit --no-fund @tensorflow/tfjs-node@4.22.0 node-api-headers@1.9.0
  pip download --no-deps --only-binary=:all: --python-version 3.11 --platform manylinux2014_x86_64 \
    tensorflow-cpu==$tensorflow
  unzip -q ./*.whl 'tensorflow/libtensorflow_*' 'tensorflow/include/tensorflow/*'
  rm ./*.whl
  mkdir -p "$package/deps/lib" "$package/lib/napi-v8"
  mv tensorflow/libtensorflow_*.so.2 "$package/deps/lib"
  # The folders are those of the package's own build. An addon that does not fit its library throws if it is bound at
  # once, and ends the process if it is bound late.
  g++ -O2 -std=c++17 -shared -fPIC -DNAPI_VERSION=8 -Inode_modules/node-api-headers/include -Itensorflow/include \
    "$package"/binding/*.cc -o "$package/lib/napi-v8/tfjs_binding.node" \
    -L"$package/deps/lib" -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 \
    '-Wl,-z,now,-rpath,$ORIGIN/../../deps/lib'
  rm -r tensorflow
else
  npm install --no-audit --no-fund @tensorflow/tfjs-node@4.22.0
fi

# One copy of each engine, the workspace's, as npm leaves in a project of its own: two of tfjs-core exclude each other.
engines=$OLDPWD/packages/tfjs/node_modules/@tensorflow
for name in tfjs-core tfjs-converter tfjs-backend-cpu tfjs-backend-webgl; do
  rm -rf "node_modules/@tensorflow/$name"
  ln -s "$engines/$name" "node_modules/@tensorflow/$name"
done
ln -sfn "$package" "$engines/tfjs-node"
