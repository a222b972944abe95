# Source this from anywhere inside the repository: it points aws, sam and perch at the local stack.
# POSIX sh. PERCH_LOCAL_PORT chooses the stack; default 4566.
perch_root=$PWD
while [ "$perch_root" != / ] && [ ! -f "$perch_root/local/env.sh" ]; do perch_root=$(dirname "$perch_root"); done
if [ ! -f "$perch_root/local/env.sh" ]; then
    echo "local/env.sh: source it from inside the repository" >&2
else
    export PERCH_LOCAL_PORT="${PERCH_LOCAL_PORT:-4566}"
    export AWS_ENDPOINT_URL="http://127.0.0.1:$PERCH_LOCAL_PORT"
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    export AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1 AWS_PAGER= SAM_CLI_TELEMETRY=0
    export PERCH_LAMBDA_RESOLUTION=1 PERCH_STACK=perch
    unset AWS_PROFILE AWS_SESSION_TOKEN
    case ":$PATH:" in
        *":$perch_root/.venv/bin:"*) ;;
        *) export PATH="$perch_root/.venv/bin:$perch_root/.venv-sam/bin:$PATH" ;;
    esac
fi
unset perch_root
