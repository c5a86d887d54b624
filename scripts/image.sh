# shellcheck shell=bash
# Building images with what is at hand. Sourced after lib.sh.

# A store of its own, which needs no kernel module and disappears with `target`.
store=$PWD/target/image
buildah_here() { buildah --root "$store/storage" --runroot "$store/run" --storage-driver vfs "$@"; }

docker_runs() { have docker && docker info >/dev/null 2>&1; }

# Arguments become build arguments.
build_image() { # tag, NAME=value...
    local tag=$1 argument arguments=()
    shift
    for argument in "$@"; do arguments+=(--build-arg "$argument"); done
    if [ "${IMAGE_BUILDER:-}" != buildah ] && docker_runs; then
        docker build "${arguments[@]}" -t "$tag" .
    else
        [ "$(id -u)" = 0 ] || die "without a Docker daemon the image is built by buildah, which needs root here"
        mkdir -p "$store"
        buildah_here build --isolation chroot --format docker "${arguments[@]}" -t "$tag" .
    fi
}
