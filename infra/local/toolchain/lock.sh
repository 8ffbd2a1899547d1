#!/bin/sh
# Writes go.mod, go.sum and jars.sha256 again. Run it after changing a version in configs/versions.yaml,
# collector/builder.yaml or kafka/pom.xml, and look at the diff: it is what the builds will trust.
set -eu
cd "$(dirname "$0")"
versions=$(cd ../../.. && pwd)/configs/versions.yaml
version() { sed -n "s/^  $1: {version: \([^,}]*\).*/\1/p" "$versions"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS=-mod=mod GOWORK=off

(cd pulumi && go get -tool "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi@v$(version pulumi)")
(cd ocb && go get -tool "go.opentelemetry.io/collector/cmd/builder@v$(version collector)" &&
    go build -o "$work/ocb" go.opentelemetry.io/collector/cmd/builder)
cp collector/builder.yaml "$work"
(cd "$work" && ./ocb --config builder.yaml --skip-compilation)
cp "$work/src/go.mod" "$work/src/go.sum" collector/
mvn --batch-mode --no-transfer-progress --strict-checksums -f kafka/pom.xml \
    "org.apache.maven.plugins:maven-dependency-plugin:$(version maven-dependency-plugin):copy-dependencies" \
    -DincludeScope=runtime "-DoutputDirectory=$work/lib"
hash=$(command -v sha256sum || echo "shasum -a 256")
(cd "$work/lib" && $hash ./*.jar) | sed 's#  \./#  #' > kafka/jars.sha256
