#!/usr/bin/env bash
# The walk-through of articles 1 and 3 with the tools that a person has: the AWS
# CLI (version 1 or 2), openssl and curl; dig too, when it is installed. The node
# is named by the usual variables, and by those that "countersign env" adds:
#
#   eval "$(countersign env)"
#   e2e/articles.sh echo.zip
#
# The argument is the Lambda package of lambda/echo. Everything that is made
# has names of its own, so that the script may run again on the same node.
set -euo pipefail
shopt -s inherit_errexit 2> /dev/null || true # older shells go without

package=${1:?"usage: $0 function.zip"}
[ -f "$package" ] || { echo "$0: $package is not there" >&2; exit 1; }
package=$(cd "$(dirname "$package")" && pwd)/$(basename "$package")
for tool in aws openssl curl; do
  command -v $tool > /dev/null || { echo "$0: $tool is not installed" >&2; exit 1; }
done
: "${AWS_ENDPOINT_URL:?"point it at a node: eval \"\$(countersign env)\""}"
: "${AWS_ACCESS_KEY_ID:?}" "${AWS_SECRET_ACCESS_KEY:?}"
: "${COUNTERSIGN_GATEWAY:?"the address of the API gateway, host:port"}"
: "${COUNTERSIGN_CACERT:?"the file with the certificate of the node's local root"}"

run=$(openssl rand -hex 4)
zone=$run.countersign.test
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

export AWS_PAGER= AWS_MAX_ATTEMPTS=1 # an answer that needs a second try is a fault here
unset AWS_PROFILE AWS_CA_BUNDLE AWS_SESSION_TOKEN
export AWS_CONFIG_FILE=$work/none AWS_SHARED_CREDENTIALS_FILE=$work/none

# The CLI's version 1 reads one of these, version 2 the other first.
region() { export AWS_REGION=$1 AWS_DEFAULT_REGION=$1; }
article() { printf '\n%s\n' "$*"; }
ok() { printf '  ok  %-58s %s\n' "$1" "${2-}"; }
fail() {
  printf '  FAILED  %s\n' "$*" >&2
  exit 1
}

# ask prints one value of an answer: ask <JMESPath> <aws arguments…>
ask() {
  local query=$1
  shift
  aws "$@" --query "$query" --output text
}

# until_is waits until ask gives a value: until_is <value> <JMESPath> <aws arguments…>
until_is() {
  local want=$1 got=
  shift
  for _ in $(seq 60); do
    got=$(ask "$@")
    [ "$got" = "$want" ] && return
    sleep 0.5
  done
  fail "aws ${*:2} is still $got, not $want"
}

# call asks the gateway for a URL, leaves the answer in body and prints its status, or 000 when there was none: call <url> <curl options…>
call() {
  local url=$1 host
  shift
  host=${url#https://}
  host=${host%%/*}
  : > body
  curl --silent --show-error --max-time 30 --cacert "$COUNTERSIGN_CACERT" --connect-to "$host:443:$COUNTERSIGN_GATEWAY" \
    --output body --write-out '%{http_code}' "$@" "$url" 2> curl.errors || true
}

# status demands one: status <what> <wanted> <url> <curl options…>
status() {
  local what=$1 want=$2 got
  shift 2
  got=$(call "$@")
  [ "$got" = "$want" ] || fail "$what: status $got, want $want: $(cat body curl.errors)"
  ok "$what" "$got $(head -c 60 body)"
}

# refused demands that there is no answer, for want of a client certificate: refused <what> <url> <curl options…>
refused() {
  local what=$1 got
  shift
  got=$(call "$@")
  [ "$got" = 000 ] || fail "$what: status $got, want the handshake refused"
  grep -qiE 'certificate required|handshake failure|bad certificate' curl.errors || fail "$what: $(cat curl.errors)"
  ok "$what" "$(head -n 1 curl.errors | cut -c 1-90)"
}

# authority makes a CA and installs its certificate, signed by an issuer (itself
# for a root): authority <type> <common name> <template> <years> [<issuer ARN> <issuer's PEM file>]
# It prints the ARN and leaves the certificate in <common name>.pem.
authority() {
  local kind=$1 name=$2 template=$3 years=$4 arn issuer certificate chain=()
  arn=$(ask CertificateAuthorityArn acm-pca create-certificate-authority --certificate-authority-type "$kind" \
    --certificate-authority-configuration "KeyAlgorithm=RSA_2048,SigningAlgorithm=SHA256WITHRSA,Subject={CommonName=$name}")
  issuer=${5-$arn}
  [ $# -gt 4 ] && chain=(--certificate-chain "fileb://$6")
  until_is PENDING_CERTIFICATE CertificateAuthority.Status acm-pca describe-certificate-authority --certificate-authority-arn "$arn"
  aws acm-pca get-certificate-authority-csr --certificate-authority-arn "$arn" --output text > "$name.csr"
  openssl req -in "$name.csr" -noout -verify 2> /dev/null || fail "the CSR of $name is not signed by its key"
  certificate=$(ask CertificateArn acm-pca issue-certificate --certificate-authority-arn "$issuer" --csr "fileb://$name.csr" \
    --signing-algorithm SHA256WITHRSA --template-arn "arn:aws:acm-pca:::template/$template/V1" --validity "Value=$years,Type=YEARS")
  aws acm-pca wait certificate-issued --certificate-authority-arn "$issuer" --certificate-arn "$certificate"
  ask Certificate acm-pca get-certificate --certificate-authority-arn "$issuer" --certificate-arn "$certificate" > "$name.pem"
  aws acm-pca import-certificate-authority-certificate --certificate-authority-arn "$arn" --certificate "fileb://$name.pem" ${chain[@]+"${chain[@]}"}
  until_is ACTIVE CertificateAuthority.Status acm-pca describe-certificate-authority --certificate-authority-arn "$arn"
  echo "$arn"
}

# record upserts a record set: record <JSON of the set>
record() {
  aws route53 change-resource-record-sets --hosted-zone-id "$zone_id" \
    --change-batch "{\"Changes\":[{\"Action\":\"UPSERT\",\"ResourceRecordSet\":$1}]}" > /dev/null
}

# server_certificate requests one for a name, proves by a CNAME that the zone is
# ours, waits for it and prints its ARN.
server_certificate() {
  local arn name value
  arn=$(ask CertificateArn acm request-certificate --domain-name "$1" --validation-method DNS)
  read -r name value < <(ask 'Certificate.DomainValidationOptions[0].ResourceRecord.[Name,Value]' acm describe-certificate --certificate-arn "$arn")
  record "{\"Name\":\"$name\",\"Type\":\"CNAME\",\"TTL\":300,\"ResourceRecords\":[{\"Value\":\"$value\"}]}"
  until_is ISSUED Certificate.Status acm describe-certificate --certificate-arn "$arn"
  echo "$arn"
}

# domain makes a domain name with mutual TLS, maps it to an API and points the
# zone at it: domain <name> <certificate ARN> <API id> <URI of the trust store> [<version>]
domain() {
  local mutual="TruststoreUri=$4" target target_zone warnings
  [ $# -gt 4 ] && mutual+=",TruststoreVersion=$5"
  aws apigatewayv2 create-domain-name --domain-name "$1" --mutual-tls-authentication "$mutual" \
    --domain-name-configurations "CertificateArn=$2,EndpointType=REGIONAL,SecurityPolicy=TLS_1_2" > /dev/null
  warnings=$(ask 'MutualTlsAuthentication.TruststoreWarnings' apigatewayv2 get-domain-name --domain-name "$1")
  case $warnings in None | '') ;; *) fail "the trust store of $1 has warnings: $warnings" ;; esac
  aws apigatewayv2 create-api-mapping --domain-name "$1" --api-id "$3" --stage '$default' > /dev/null
  read -r target target_zone < <(ask 'DomainNameConfigurations[0].[ApiGatewayDomainName,HostedZoneId]' apigatewayv2 get-domain-name --domain-name "$1")
  record "{\"Name\":\"$1\",\"Type\":\"A\",\"AliasTarget\":{\"DNSName\":\"$target\",\"HostedZoneId\":\"$target_zone\",\"EvaluateTargetHealth\":false}}"
}

# resolves demands that the name server leads a name to the gateway.
resolves() {
  local host=${COUNTERSIGN_GATEWAY%:*} got
  if ! command -v dig > /dev/null || [ -z "${COUNTERSIGN_DNS-}" ]; then
    ok "(dig or COUNTERSIGN_DNS is missing: names are not looked up)"
    return
  fi
  for transport in +notcp +tcp; do
    got=$(dig +short +time=3 +tries=2 "$transport" -p "${COUNTERSIGN_DNS##*:}" "@${COUNTERSIGN_DNS%:*}" "$1" A)
    [ "$got" = "$host" ] || fail "dig $transport $1: got '$got', want $host"
  done
  ok "dig finds $1" "$got"
}

# permit lets an API invoke the function: permit <function ARN> <statement id> <API id>
permit() {
  aws lambda add-permission --function-name "$1" --statement-id "$2" --action lambda:InvokeFunction --principal apigateway.amazonaws.com \
    --source-arn "arn:aws:execute-api:$AWS_REGION:$account:$3/*" > /dev/null
}

# function makes the Lambda function of the package and prints its ARN.
lambda_function() {
  local role arn architecture=x86_64
  case $(uname -m) in aarch64 | arm64) architecture=arm64 ;; esac
  role=$(ask Role.Arn iam create-role --role-name "$1" --assume-role-policy-document \
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}')
  aws iam attach-role-policy --role-name "$1" --policy-arn arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole
  arn=$(ask FunctionArn lambda create-function --function-name "$1" --runtime provided.al2023 --handler bootstrap \
    --role "$role" --architectures "$architecture" --zip-file "fileb://$package")
  aws lambda wait function-active-v2 --function-name "$1"
  echo "$arn"
}

region us-east-2
account=$(ask Account sts get-caller-identity)
printf '%s, openssl %s, %s\n' "$(aws --version 2>&1 | cut -d ' ' -f 1)" "$(openssl version | cut -d ' ' -f 2)" "$(curl --version | head -n 1 | cut -d ' ' -f 1,2)"
ok "the node answers" "account $account at $AWS_ENDPOINT_URL"

article 'Article 1: automating mutual TLS for an HTTP API'

root=$(authority ROOT "$run-rootca" RootCACertificate 10)
ok 'the root CA is active' "$root"
sub=$(authority SUBORDINATE "$run-mtlsca" SubordinateCACertificate_PathLen3 3 "$root" "$run-rootca.pem")
ok 'the subordinate CA is active' "$sub"
openssl verify -CAfile "$run-rootca.pem" "$run-mtlsca.pem" > /dev/null
ok 'openssl verifies the subordinate CA'

zone_id=$(ask HostedZone.Id route53 create-hosted-zone --name "$zone" --caller-reference "$run")
ok 'the hosted zone is there' "$zone_id"
name=api.$zone
client=$(ask CertificateArn acm request-certificate --certificate-authority-arn "$sub" --domain-name "$name" \
  --options CertificateTransparencyLoggingPreference=ENABLED --tags Key=Name,Value=ClientOneCert)
until_is ISSUED Certificate.Status acm describe-certificate --certificate-arn "$client"
ok 'the client certificate is issued' "$client"

bucket=truststore-$run
aws s3api create-bucket --bucket "$bucket" --create-bucket-configuration "LocationConstraint=$AWS_REGION" > /dev/null
aws s3api put-bucket-versioning --bucket "$bucket" --versioning-configuration Status=Enabled
cat "$run-mtlsca.pem" "$run-rootca.pem" > truststore.pem
aws s3 cp --quiet truststore.pem "s3://$bucket/truststore.pem"
version=$(ask VersionId s3api head-object --bucket "$bucket" --key truststore.pem)
ok 'the trust store is in a versioned bucket' "version $version"

server=$(server_certificate "$name")
ok 'the server certificate is validated by DNS' "$server"
function=$(lambda_function "echo-$run")
ok 'the Lambda function is active' "$function"

api=$(ask ApiId apigatewayv2 create-api --name "$run" --protocol-type HTTP --disable-execute-api-endpoint \
  --cors-configuration AllowMethods=GET,AllowOrigins=http://localhost:8080)
integration=$(ask IntegrationId apigatewayv2 create-integration --api-id "$api" --integration-type AWS_PROXY \
  --integration-uri "$function" --payload-format-version 1.0)
aws apigatewayv2 create-route --api-id "$api" --route-key 'GET /' --target "integrations/$integration" > /dev/null
aws apigatewayv2 create-stage --api-id "$api" --stage-name '$default' --auto-deploy > /dev/null
permit "$function" gateway "$api"
ok 'the HTTP API leads to the function' "$api"
domain "$name" "$server" "$api" "s3://$bucket/truststore.pem" "$version"
ok 'the domain name demands client certificates' "$name"
resolves "$name"

# As the article exports it. Version 2 of the CLI decodes the passphrase, so that
# the key is sealed with "your passphrase"; version 1 encodes it again, so that it is
# sealed with the base64 text. (fileb://file means the same to both.)
passphrase='your passphrase'
encoded=$(echo -n "$passphrase" | base64)
ask Certificate acm export-certificate --certificate-arn "$client" --passphrase "$encoded" > client.pem
ask PrivateKey acm export-certificate --certificate-arn "$client" --passphrase "$encoded" > client.encrypted.key
case $(aws --version 2>&1) in aws-cli/1.*) passphrase=$encoded ;; esac
grep -q 'BEGIN ENCRYPTED PRIVATE KEY' client.encrypted.key || fail 'the exported key is not encrypted'
openssl rsa -in client.encrypted.key -passin "pass:$passphrase" -out client.decrypted.key 2> /dev/null || fail 'openssl rsa does not decrypt the exported key'
ok 'openssl rsa decrypts the exported key'
openssl verify -CAfile "$run-rootca.pem" -untrusted "$run-mtlsca.pem" -purpose sslclient client.pem > /dev/null
ok 'openssl verifies the client certificate'

url=https://$name/
identity=(--cert client.pem --key client.decrypted.key)
refused 'without a certificate, TLS 1.3' "$url"
refused 'without a certificate, TLS 1.2' "$url" --tls-max 1.2
status 'with the certificate' 200 "$url?kind=dog" "${identity[@]}"
grep -q '"kind":"dog"' body || fail "the function did not see the query: $(cat body)"
grep -q "\"subjectDN\":\"CN=$name\"" body || fail "the function did not see the client certificate: $(cat body)"
ok 'the function saw the certificate' "$(grep -o '"subjectDN":"[^"]*"' body | head -n 1)"
status 'with the certificate, TLS 1.2' 200 "$url" "${identity[@]}" --tls-max 1.2
openssl req -x509 -newkey rsa:2048 -nodes -keyout stranger.key -out stranger.pem -days 1 -subj "/CN=$name" 2> /dev/null
status 'with a certificate of nobody that is trusted' 403 "$url" --cert stranger.pem --key stranger.key
status 'the default endpoint is switched off' 404 "https://$api.execute-api.$AWS_REGION.amazonaws.com/"

serial=$(ask Certificate.Serial acm describe-certificate --certificate-arn "$client")
aws acm-pca revoke-certificate --certificate-authority-arn "$sub" --certificate-serial "$serial" --revocation-reason KEY_COMPROMISE
ok 'the client certificate is revoked' "$serial"
status 'with the revoked certificate' 403 "$url" "${identity[@]}"

article 'Article 3: mutual TLS with a root of your own'
region eu-central-1

bucket=mys3truststore-$run
aws s3api create-bucket --bucket "$bucket" --region "$AWS_REGION" --create-bucket-configuration "LocationConstraint=$AWS_REGION" > /dev/null
location=$(ask LocationConstraint s3api get-bucket-location --bucket "$bucket")
[ "$location" = "$AWS_REGION" ] || fail "the bucket is in $location"
ok 'the bucket is made' "$bucket in $location"

# The article makes these with step; the profiles are the same.
cat > openssl.cnf << 'END'
[req]
distinguished_name = name
prompt = no
[name]
[root]
basicConstraints = critical, CA:TRUE, pathlen:1
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
ec=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config openssl.cnf)
openssl req -x509 "${ec[@]}" -keyout root-ca-key.pem -out root-ca-cert.pem -subj '/CN=My Root CA' -extensions root -days 3650 2> /dev/null
openssl req -new "${ec[@]}" -keyout client-key.pem -out client.csr -subj '/CN=My Client' 2> /dev/null
openssl x509 -req -in client.csr -CA root-ca-cert.pem -CAkey root-ca-key.pem -CAcreateserial -out client-cert.pem \
  -extfile openssl.cnf -extensions leaf -days 365 2> /dev/null
ok 'openssl makes a root and a client certificate' "$(openssl x509 -in client-cert.pem -noout -subject)"
aws s3 cp --quiet root-ca-cert.pem "s3://$bucket/root-ca-cert.pem"
ok 'the root is in the bucket' "s3://$bucket/root-ca-cert.pem"

# The article's API is a REST API, which this node does not have yet: the next
# issue brings them. An HTTP API on the same domain name stands in for it.
hello=hello.$zone
server=$(server_certificate "*.$zone")
ok 'a wildcard certificate is validated by DNS' "$server"
function=$(lambda_function "hello-$run")
api=$(ask ApiId apigatewayv2 create-api --name "hello-$run" --protocol-type HTTP --route-key 'GET /hello-world' --target "$function" --disable-execute-api-endpoint)
permit "$function" gateway "$api"
ok 'the API is made in one call' "$api"
domain "$hello" "$server" "$api" "s3://$bucket/root-ca-cert.pem"
ok 'the domain name demands client certificates' "$hello"
resolves "$hello"

url=https://$hello/hello-world
refused 'without a certificate' "$url"
status 'with the certificate' 200 "$url" --cert client-cert.pem --key client-key.pem
grep -q '"subjectDN":"CN=My Client"' body || fail "the function did not see the client certificate: $(cat body)"
grep -q '"issuerDN":"CN=My Root CA"' body || fail "the function did not see its issuer: $(cat body)"
ok 'the function saw the certificate' "$(grep -o '"subjectDN":"[^"]*"' body)"
status 'with the certificate of article 1' 403 "$url" "${identity[@]}"
status 'a path that has no route' 404 "https://$hello/other" --cert client-cert.pem --key client-key.pem

article 'The endpoint over HTTPS'
export AWS_ENDPOINT_URL=https://${AWS_ENDPOINT_URL#http://}
if ask Account sts get-caller-identity > untrusted 2>&1; then
  fail "the CLI trusted the endpoint without being told its root: $(cat untrusted)"
fi
ok 'the CLI does not trust the endpoint unasked'
[ "$(ask Account sts get-caller-identity --ca-bundle "$COUNTERSIGN_CACERT")" = "$account" ] || fail 'sts over HTTPS'
ok 'with --ca-bundle it does'
export AWS_CA_BUNDLE=$COUNTERSIGN_CACERT
openssl rand -out small 100000
openssl rand -out large 20000000 # beyond the size from which the CLI sends parts
for file in small large; do
  aws s3 cp --quiet "$file" "s3://$bucket/$file"
  aws s3 cp --quiet "s3://$bucket/$file" "$file.back"
  cmp "$file" "$file.back" || fail "$file came back changed"
  ok "aws s3 cp there and back, $file" "$(wc -c < "$file") bytes"
done

printf '\nall is well\n'
