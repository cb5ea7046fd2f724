# Helpers of .ci/run: tools in a cache, servers that end with the script.

cache=${CI_CACHE:-$HOME/.cache/cloud-sync-ci}
python=$(command -v python3.11 || command -v python3)
servers=()

fail() {
    echo "ci: $*" >&2
    exit 1
}

# Prints a key for what the given files say.
key_of() {
    cat "$@" "$("$python" -c 'import sys; print(sys.executable)')" | sha256sum | cut -c1-16
}

# venv REQUIREMENTS: prints a directory with a virtual environment that has
# them. It is made aside and put in place whole, so that a broken run leaves
# nothing half-made.
venv() {
    local requirements=$1 name place
    name=$(basename "$requirements" .txt)
    place=$cache/venv-$name-$(key_of "$requirements")
    if [[ ! -e $place/ready ]]; then
        rm -rf "$place"
        "$python" -m venv "$place" >&2
        "$place/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2
        touch "$place/ready"
    fi
    echo "$place"
}

# jars NAME: prints a directory with what .ci/java/NAME/pom.xml depends on.
jars() {
    local pom=.ci/java/$1/pom.xml place
    place=$cache/jars-$1-$(key_of "$pom")
    if [[ ! -e $place/ready ]]; then
        rm -rf "$place"
        mvn -q -B -f "$pom" org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies \
            -DoutputDirectory="$place" >&2
        touch "$place/ready"
    fi
    echo "$place"
}

free_port() {
    "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# serve NAME PORT COMMAND…: starts a server and waits until it listens. Its log
# is shown where it does not.
serve() {
    local name=$1 port=$2 log
    shift 2
    log=$(mktemp "${TMPDIR:-/tmp}/ci-$name-XXXXXX")
    "$@" >"$log" 2>&1 &
    servers+=($!)
    for _ in $(seq 300); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            return
        fi
        kill -0 $! 2>/dev/null || break
        sleep 0.2
    done
    cat "$log" >&2
    fail "$name does not listen on port $port"
}

stop_servers() {
    if ((${#servers[@]})); then
        kill "${servers[@]}" 2>/dev/null || true
        wait "${servers[@]}" 2>/dev/null || true
        servers=()
    fi
}
