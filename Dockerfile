# Any image with Python 3.11 or later and glibc 2.28 or later; Alpine has another C library.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# pip stays in this stage: an attacker inside the service finds no installer.
RUN python3 -m venv --without-pip /opt/chatkeep
COPY requirements/run.txt requirements/
RUN python3 -m pip --python /opt/chatkeep/bin/python3 install --require-hashes --requirement requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY migrations/ migrations/
COPY service/ service/
RUN python3 -m pip --python /opt/chatkeep/bin/python3 install --no-build-isolation --no-deps .

FROM ${PYTHON_IMAGE}
# The group 0 and its rights are for OpenShift, which runs an image as any user of that group.
RUN useradd --uid 10001 --gid 0 --no-create-home --home-dir /data --shell /usr/sbin/nologin chatkeep \
 && install --directory --owner chatkeep --group root --mode 0770 /data
COPY --from=build /opt/chatkeep /opt/chatkeep
# A plain `docker stop` kills after 10 seconds: the grace leaves 5 of them to save what is still streaming.
ENV PATH=/opt/chatkeep/bin:$PATH \
    HOME=/data \
    CHATKEEP_DATA_DIR=/data \
    CHATKEEP_HOST=0.0.0.0 \
    CHATKEEP_LOG_FORMAT=json \
    CHATKEEP_SHUTDOWN_GRACE_SECONDS=5
WORKDIR /data
USER 10001:0
EXPOSE 8000
STOPSIGNAL SIGTERM
# Whether the process lives, not whether the database answers: a restart would cure only the first.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python3", "-c", "\
import http.client, os; \
connection = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('CHATKEEP_PORT', '8000')), timeout=4); \
connection.request('GET', '/healthz'); \
raise SystemExit(connection.getresponse().status != 200)"]
ENTRYPOINT ["chatkeep"]
CMD ["serve", "--migrate"]
