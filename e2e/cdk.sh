#!/usr/bin/env bash
# A small app of the AWS CDK, from bootstrap to destroy, against a node that the usual
# variables name, and those that "countersign env" adds:
#
#   eval "$(countersign env)"
#   e2e/cdk.sh folder-with-bootstrap
#
# It needs Node and npm, and installs the CDK once into CDK_HOME (default: the user's cache folder).
set -euo pipefail
shopt -s inherit_errexit 2> /dev/null || true # older shells go without

code=${1:?"usage: $0 folder-with-the-function's-bootstrap"}
[ -x "$code/bootstrap" ] || { echo "$0: $code/bootstrap is not there, or cannot be run" >&2; exit 1; }
export CODE=$(cd "$code" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
for tool in node npm curl; do
  command -v $tool > /dev/null || { echo "$0: $tool is not installed" >&2; exit 1; }
done
: "${AWS_ENDPOINT_URL:?"point it at a node: eval \"\$(countersign env)\""}"
: "${AWS_ACCESS_KEY_ID:?}" "${AWS_SECRET_ACCESS_KEY:?}" "${AWS_REGION:?}"
: "${COUNTERSIGN_GATEWAY:?"the address of the API gateway, host:port"}"
: "${COUNTERSIGN_CACERT:?"the file with the certificate of the node's local root"}"

home=${CDK_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/countersign-cdk}
mkdir -p "$home"
if ! cmp -s "$here/cdk/package.json" "$home/package.json" || [ ! -d "$home/node_modules/aws-cdk-lib" ]; then
  cp "$here/cdk/package.json" "$home/package.json"
  npm install --prefix "$home" --no-audit --no-fund --loglevel=error || { rm -f "$home/package.json"; echo "$0: the CDK cannot be installed" >&2; exit 77; }
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/cdk/app.js" "$work/app.js"
ln -s "$home/node_modules" "$work/node_modules"
cd "$work"

export AWS_PAGER= AWS_DEFAULT_REGION=$AWS_REGION AWS_EC2_METADATA_DISABLED=true
export CDK_DISABLE_CLI_TELEMETRY=true CI=true HOME=$work
unset AWS_PROFILE AWS_CA_BUNDLE AWS_SESSION_TOKEN
export AWS_CONFIG_FILE=$work/none AWS_SHARED_CREDENTIALS_FILE=$work/none

fail() { printf '  FAILED  %s\n' "$*" >&2; exit 1; }
ok() { printf '  ok  %s\n' "$*"; }
cdk() { node node_modules/aws-cdk/bin/cdk "$@" --app 'node app.js' --no-notices --no-version-reporting --no-color; }
field() { node -p "require('./outputs.json').CountersignCdk.$1"; }
call() {
  local host=${1#https://}
  curl -sS --fail-with-body --cacert "$COUNTERSIGN_CACERT" --connect-to "$host:443:$COUNTERSIGN_GATEWAY" "$1/"
}

cdk bootstrap "aws://${ACCOUNT:-000000000000}/$AWS_REGION"
ok bootstrap
cdk deploy --require-approval never --progress events --outputs-file outputs.json
call "$(field Url)" | grep -q '"routeKey":"GET /"' || fail "the API does not answer with the event"
ok "deploy, and a call"
cdk diff --fail || fail "there are differences right after a deployment"
ok "diff of what was deployed: none"
export GREETING=good-day
if cdk diff --fail > diff.txt 2>&1; then cat diff.txt; fail "diff does not see the change"; fi
grep -q good-day diff.txt || { cat diff.txt; fail "diff does not show the change"; }
ok "diff of a change"
cdk deploy --require-approval never --outputs-file outputs.json
ok "deploy of a change"
cdk destroy --force
if call "$(field Url)" 2> /dev/null; then fail "the API answers after it was destroyed"; fi
ok destroy
