#!/bin/sh
# Makes .venv-servers (redis-server, HAProxy, NVIDIA Triton, what the reference server needs) and .venv-mlserver (MLServer) at the repository
# root, for the tests that speak to real model servers and caches. Needs no root.
# Safe to repeat: a part is touched only when its requirements changed. `servers.sh redis` makes that part alone.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
servers="$root/.venv-servers"

fail() { echo "local/servers.sh: $1" >&2; exit 1; }

debian() {  # folder, the first package, the others: unpacked without root
    command -v apt-get >/dev/null || fail "needs $1 on the PATH, or apt-get to download it"
    echo "unpacking Debian's $1 into .venv-servers" >&2
    rm -rf "$servers/$1"
    mkdir -p "$servers/$1/bin" "$servers/$1/debs"
    part=$1
    shift
    (cd "$servers/$part/debs" && apt-get download -q "$@" >apt.log 2>&1) ||
        fail "apt-get download $1 failed: try apt-get update first; $(tail -n 1 "$servers/$part/debs/apt.log")"
    for deb in "$servers/$part"/debs/*.deb; do dpkg-deb -x "$deb" "$servers/$part/root"; done
    rm -rf "$servers/$part/debs"
}

wrapper() { # folder, program below the root's usr: the libraries are those of the root first
    cat > "$servers/$1/bin/$(basename "$2")" <<WRAPPER
#!/bin/sh
root=\$(cd "\$(dirname "\$0")/../root/usr" && pwd)
LD_LIBRARY_PATH="\$(echo "\$root"/lib/*-linux-gnu)" exec "\$root/$2" "\$@"
WRAPPER
    chmod +x "$servers/$1/bin/$(basename "$2")"
}

redis() {   # a redis-server of this machine, else Debian's package unpacked
    if [ -x "$servers/redis/bin/redis-server" ] && "$servers/redis/bin/redis-server" --version >/dev/null 2>&1; then return; fi
    mkdir -p "$servers/redis/bin"
    if command -v redis-server >/dev/null && command -v redis-cli >/dev/null; then
        ln -sf "$(command -v redis-server)" "$(command -v redis-cli)" "$servers/redis/bin/"
        return
    fi
    debian redis redis-tools libjemalloc2 liblzf1
    # The server is the same file as redis-check-rdb: it looks at the name it was called by.
    ln -s redis-check-rdb "$servers/redis/root/usr/bin/redis-server"
    wrapper redis bin/redis-server
    wrapper redis bin/redis-cli
    "$servers/redis/bin/redis-server" --version >/dev/null || fail "the unpacked redis-server does not run"
}

proxy() {   # a haproxy of this machine, else Debian's package unpacked
    if [ -x "$servers/haproxy/bin/haproxy" ] && "$servers/haproxy/bin/haproxy" -v >/dev/null 2>&1; then return; fi
    mkdir -p "$servers/haproxy/bin"
    if command -v haproxy >/dev/null; then
        ln -sf "$(command -v haproxy)" "$servers/haproxy/bin/"
        return
    fi
    debian haproxy haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1
    wrapper haproxy sbin/haproxy
    "$servers/haproxy/bin/haproxy" -v >/dev/null || fail "the unpacked haproxy does not run"
}

venv() {    # folder, requirements file, pip options
    stamp="$root/$1/.installed"
    if [ -f "$stamp" ] && cmp -s "$stamp" "$root/local/$2"; then return; fi
    [ -x "$root/$1/bin/python" ] || "${PYTHON:-python3}" -m venv "$root/$1"
    echo "installing local/$2 into $1" >&2
    "$root/$1/bin/python" -m pip install -q --disable-pip-version-check ${3:-} -r "$root/local/$2"
    cp "$root/local/$2" "$stamp"
}

triton() {
    venv .venv-servers requirements-servers.txt --no-deps
    site=$("$servers/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    minor=$("$servers/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    triton="$site/pytriton/tritonserver"
    [ -f "$triton/python_backend_stubs/$minor/triton_python_backend_stub" ] || fail "nvidia-pytriton has no stub for Python $minor"
    cmp -s "$triton/python_backend_stubs/$minor/triton_python_backend_stub" "$triton/backends/python/triton_python_backend_stub" ||
        install -m 755 "$triton/python_backend_stubs/$minor/triton_python_backend_stub" "$triton/backends/python/"
    chmod +x "$triton/bin/tritonserver"
    # One path for the tests, whatever the version of Python.
    ln -sfn "$triton" "$servers/triton"
}

reference() {   # what examples/model-server/server.py needs
    wanted="$root/examples/model-server/requirements.txt"
    if cmp -s "$servers/.installed-reference" "$wanted"; then return; fi
    [ -x "$servers/bin/python" ] || "${PYTHON:-python3}" -m venv "$servers"
    "$servers/bin/python" -m pip install -q --disable-pip-version-check -r "$wanted"
    cp "$wanted" "$servers/.installed-reference"
}

case "${1:-all}" in
    redis) redis ;;
    haproxy) proxy ;;
    triton) triton ;;
    reference) reference ;;
    mlserver) venv .venv-mlserver requirements-mlserver.txt ;;
    all) redis; proxy; triton; reference; venv .venv-mlserver requirements-mlserver.txt ;;
    *) fail "no part $1: redis, haproxy, triton, reference or mlserver" ;;
esac
