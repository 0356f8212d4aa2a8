# For TPU VMs, whose chips it is given with `docker run --privileged --net=host`:
#     docker build --file docker/tpu.Dockerfile --tag tft-tpu .
FROM python:3.11.14-slim-bookworm AS environment
WORKDIR /work
COPY requirements-tpu.txt ./
COPY docker/install.sh docker/
RUN docker/install.sh /opt/tft tpu

FROM python:3.11.14-slim-bookworm
RUN useradd --create-home --uid 1000 tft
WORKDIR /work
COPY --from=environment /opt/tft /opt/tft
COPY prep prep
COPY adapters_tf adapters_tf
COPY trainer trainer
COPY eval eval
COPY configs configs
ENV PATH=/opt/tft/bin:$PATH PYTHONUNBUFFERED=1
USER 1000
ENTRYPOINT ["python"]
CMD ["-m", "trainer.doctor", "--kind", "tpu"]
