#!/usr/bin/env bash
# Makes an authority, the gateway's certificate and those of the workloads, in generated/.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p generated
cd generated

# issue NAME SUBJECT-ALTERNATIVE-NAME USAGE
issue() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.csr" 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out "$1.crt" 2>/dev/null \
        -extfile <(printf 'basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\nsubjectAltName=%s\n' "$3" "$2")
    rm "$1.csr"
    echo "generated/$1.crt  $2"
}

openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=bank.example" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca.key -out ca.crt 2>/dev/null
echo "generated/ca.crt"

issue gateway "DNS:localhost,IP:127.0.0.1" serverAuth
for workload in edge orchestrator fraud-model; do
    issue "$workload" "URI:spiffe://bank.example/$workload" clientAuth
done
# A workload that the authority vouches for, in a trust domain that countersign.yaml does not trust.
issue stranger "URI:spiffe://other.example/edge" clientAuth
