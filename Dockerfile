# The bot as an image; README, "Container and systemd", says how it is built and run.
FROM python:3.11-slim-bookworm AS build

# The index of PyTorch's CPU wheels (its "Start locally" page names it). Empty: the usual one, whose
# wheels for x86-64 bring CUDA along, some GB that are never used.
ARG TORCH_INDEX_URL=""

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
RUN python -m venv /opt/shoebox \
    && /opt/shoebox/bin/pip install ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} \
    torch==2.13.0 torchvision==0.28.0

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY adapters adapters
COPY bot bot
COPY storage storage
RUN /opt/shoebox/bin/pip install '.[all]'

FROM python:3.11-slim-bookworm

# Numbers, so that whoever mounts a folder of the host's knows to whom it must belong.
RUN groupadd --gid 10001 shoebox \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin shoebox \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data /data/models
COPY --from=build /opt/shoebox /opt/shoebox

ENV PATH=/opt/shoebox/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    DATABASE_URL=sqlite:////data/shoebox.db
WORKDIR /srv
USER 10001:10001
VOLUME ["/data", "/data/models"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=15s --start-period=5m --retries=3 \
    CMD ["python", "-m", "bot", "health"]
ENTRYPOINT ["python", "-m", "bot"]
CMD ["run"]
