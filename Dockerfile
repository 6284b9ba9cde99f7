# clinfonce with everything that a sweep needs, for Docker, Kubernetes and whatever runs images.
#
#   docker build -t clinfonce .
#   docker run --rm --user $(id -u):$(id -g) --shm-size 2g -v $PWD:/work clinfonce sweep photos.yaml
#
# As you, so that results are yours; Ray keeps the data in shared memory. For GPUs add --gpus all:
# PyTorch's own packages bring CUDA, most of the image's 6.6 GB.
FROM python:3.11-slim

# wget and bash are for KubeRay, which looks with them whether a container is well.
RUN apt-get update && apt-get install -y --no-install-recommends bash wget && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 clinfonce && install -d -o clinfonce /work
WORKDIR /opt/clinfonce
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY clinfonce clinfonce
COPY sweeps sweeps
RUN pip install --no-cache-dir -c constraints.txt .
USER clinfonce
WORKDIR /work
ENTRYPOINT ["clinfonce"]
CMD ["--help"]
