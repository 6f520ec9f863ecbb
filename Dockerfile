# One image for every role, which the command names: `api`, `worker poll`, `worker deliver`, `tenants create …`.
#
# What it is built on is the builder's choice, and is best fixed by its digest:
#   docker build --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:… .
# By default it is the Python that the tests run on. A package index other than pip's own, and its password, come in
# as the secret `pip`, a pip.conf that no layer keeps:
#   docker build --secret id=pip,src=pip.conf .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# What the service imports. It changes with the lock alone, so that most releases fetch only the layers above it.
FROM ${PYTHON_IMAGE} AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN ["python", "-m", "venv", "--without-pip", "/opt/ringback"]
COPY requirements.lock ./
# Wheels only: nothing that is downloaded runs while the image is built, and no compiler is wanted. The compiled files
# are never checked against their sources' times, which some builders rewrite; nothing could write new ones.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m pip --python /opt/ringback/bin/python install --require-hashes --only-binary :all: --no-compile \
        --requirement requirements.lock \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/ringback/lib

# Ringback's own wheel, laid out under /staged as it lies in the image.
FROM dependencies AS application
RUN ["python", "-m", "venv", "--without-pip", "/opt/build"]
COPY requirements-build.lock ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m pip --python /opt/build/bin/python install --require-hashes --only-binary :all: \
        --requirement requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY workers workers
RUN /opt/build/bin/python -m hatchling build -t wheel -d /dist \
    && python -m pip --python /opt/ringback/bin/python install --no-index --no-deps --no-compile --root /staged \
        /dist/*.whl \
    && python -m compileall -q --invalidation-mode unchecked-hash -s /staged -p / /staged/opt/ringback/lib

FROM ${PYTHON_IMAGE}
# Nothing is installed here any more: what does that goes, and no program changes its user. The standard library is
# compiled, since the official image leaves that to the first start, and a read-only root to every one.
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip setuptools wheel \
    && library="$(python -c 'import os; print(os.path.dirname(os.__file__))')" \
    && rm -rf "$library/ensurepip" "$library/idlelib" "$library/lib2to3" "$library/tkinter" "$library/turtledemo" \
    && python -m compileall -q --invalidation-mode unchecked-hash "$library" \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
COPY --from=dependencies /opt/ringback /opt/ringback
COPY --from=application /staged/ /
# Each line of the log is out when it is written, also where a process is killed.
ENV PATH=/opt/ringback/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RINGBACK_BIND_HOST=0.0.0.0
# By number, so that Kubernetes can see that it is not root. It owns nothing and need not write anywhere.
USER 65532:65532
EXPOSE 8000 8080
# Whichever of the two listens in this container is asked; a one-off command ends before anybody looks.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["ringback", "health"]
# No shell in between: the signals that end a container reach Ringback itself.
ENTRYPOINT ["ringback"]
CMD ["--help"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Ringback" \
      org.opencontainers.image.description="Turns a polled call-status endpoint into signed, ordered webhooks." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
