# radsweep with its dependencies, for Kubernetes and for Ray clusters of containers: docker build --tag REGISTRY/IMAGE .
# Ray and Python have the versions of constraints.txt.
FROM rayproject/ray:2.60.0-py311-gpu

COPY --chown=ray:users pyproject.toml README.md LICENSE constraints.txt /home/ray/radsweep/
COPY --chown=ray:users platform /home/ray/radsweep/platform
COPY --chown=ray:users search_spaces /home/ray/radsweep/search_spaces
WORKDIR /home/ray/radsweep
RUN pip install --no-cache-dir --constraint constraints.txt ".[full]" "psycopg[binary]" boto3
