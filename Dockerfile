# The image of a release. What hack/cluster loads into a node without a container
# engine is the same: a test compares the two. amd64 only, for now.
FROM golang:1.26 AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 GOOS=linux GOARCH=amd64 make build

FROM envoyproxy/envoy:distroless-v1.40.0
COPY --from=build /src/bin/meshwright /usr/local/bin/meshwright
USER 1337:1337
ENTRYPOINT ["/usr/local/bin/meshwright"]
