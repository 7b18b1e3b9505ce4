# Herald in one container: `docker build -t herald .`, then
# `docker run -p 8000:8000 -v herald:/data herald`. The same image is the worker: `docker run … herald worker`.
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/herald
ENV PATH=/opt/herald/bin:$PATH
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY server server
COPY tools tools
COPY status_site status_site
COPY embeddings embeddings
# The CPU build of PyTorch: the other one brings gigabytes of libraries for graphics cards.
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu -c constraints.txt .

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 herald && install -d -o herald /data
COPY --from=build /opt/herald /opt/herald
ENV PATH=/opt/herald/bin:$PATH HERALD_HOST=0.0.0.0 HERALD_DATABASE_URL=sqlite:////data/herald.db \
    HERALD_CACHE_DIR=/data/cache
USER herald
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz')"]
ENTRYPOINT ["herald"]
CMD ["serve"]
