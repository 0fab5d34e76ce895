# One image for every service: the program, the C library, and nothing else.
ARG BUILDER_IMAGE=rust:1.95-slim-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BUILDER_IMAGE} AS build
WORKDIR /src
COPY . .
RUN cargo build --profile dist --locked

# The files of the image: the program, the libraries that it is linked with, and its user.
FROM ${BASE_IMAGE} AS files
COPY --from=build /src/target/dist/taizhang /files/taizhang
RUN ldd /files/taizhang | grep -o '/[^ ]*' | xargs cp -L --parents -t /files \
    && mkdir /files/etc \
    && echo 'taizhang:x:10001:10001::/:/nonexistent' > /files/etc/passwd \
    && echo 'taizhang:x:10001:' > /files/etc/group

FROM scratch
COPY --from=files /files /
USER 10001:10001
ENTRYPOINT ["/taizhang"]
CMD ["serve"]
