# One image for every part; the command says which: worker, sink, api, or any other.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/taximeter
COPY constraints.txt pyproject.toml README.md LICENSE NOTICE ./
COPY schemas schemas
COPY producers producers
COPY processors processors
COPY sinks sinks
COPY app app
RUN /opt/taximeter/bin/pip install --no-cache-dir -c constraints.txt ".[all]"

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home taximeter \
    && install -d -o taximeter -g taximeter /var/lib/taximeter
COPY --from=build /opt/taximeter /opt/taximeter
ENV PATH=/opt/taximeter/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TAXIMETER_DATA=/var/lib/taximeter
USER taximeter
WORKDIR /home/taximeter
ENTRYPOINT ["taximeter"]
CMD ["--help"]
