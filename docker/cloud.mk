# Clouds: a bucket, TPU VMs, containers. Each target prints the commands it runs; DRY_RUN=1 prints
# them only. Variables come from .env (.env.example says which), or from the command line.
-include .env

RUN_NAME ?= run
CONFIG ?= configs/glue.yaml
DATASET ?= data/glue
CHECKPOINT ?= best
MACHINE ?= n1-highmem-8
IMAGE_TAG ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo latest)
ACCELERATOR ?= v5litepod-8

# What a command of ours needs; a dry run makes none.
ENVIRONMENT = $(if $(DRY_RUN),,setup)
comma := ,
empty :=
space := $(empty) $(empty)
# Prints a command as it can be typed, and runs it unless DRY_RUN says otherwise.
DO = @DRY_RUN='$(DRY_RUN)' docker/say-and-do
need = $(foreach name,$(1),$(if $(strip $($(name))),,$(error $(name) is empty: set it in .env or say make $(firstword $(MAKECMDGOALS) $@) $(name)=…)))

# What Google documents for TensorFlow: v2 to v5e and v5p. v6e's runtime has JAX and PyTorch only.
RUNTIME ?= $(strip \
	$(if $(filter v5litepod-%,$(ACCELERATOR)),v2-alpha-tpuv5-lite) \
	$(if $(filter v5p-%,$(ACCELERATOR)),v2-alpha-tpuv5) \
	$(if $(filter v2-% v3-% v4-%,$(ACCELERATOR)),tpu-ubuntu2204-base))
KNOWN_TPU = $(if $(RUNTIME),,$(error TensorFlow does not reach $(ACCELERATOR): choose v2 to v4, v5litepod or v5p (docs/cloud.md), or say RUNTIME=…))

WHERE = --project=$(PROJECT) --zone=$(ZONE)
HOME_OF_RUNS = gs://$(BUCKET)/runs
TRAINING = --config $(CONFIG) --dataset gs://$(BUCKET)/$(notdir $(DATASET)) --run $(HOME_OF_RUNS)/$(RUN_NAME)
ON_TPU = gcloud compute tpus tpu-vm ssh $(TPU) $(WHERE) --worker=0 --command
IMAGE_URI = $(IMAGE):$(IMAGE_TAG)

.PHONY: create-bucket tpu-create tpu-status tpu-train tpu-tail tpu-fetch tpu-delete run-local docker-build docker-local-train docker-push cloud-train verify-model

create-bucket: ## cloud: make BUCKET, in REGION
	$(call need,PROJECT REGION BUCKET)
	$(DO) gcloud storage buckets create gs://$(BUCKET) --project=$(PROJECT) --location=$(REGION) --uniform-bucket-level-access

tpu-create: ## cloud: queue for a TPU VM (SPOT=1: a preemptible one)
	$(call need,PROJECT ZONE TPU ACCELERATOR)
	$(KNOWN_TPU)
	$(DO) gcloud compute tpus queued-resources create $(TPU) --node-id=$(TPU) $(WHERE) --accelerator-type=$(ACCELERATOR) --runtime-version=$(RUNTIME) $(if $(SPOT),--spot)

tpu-status: ## cloud: has the TPU VM come?
	$(call need,PROJECT ZONE TPU)
	$(DO) gcloud compute tpus queued-resources describe $(TPU) $(WHERE) "--format=value(state.state)"

# Of `make tpu-setup TPU=…`: on the machine itself it installs, from elsewhere it goes there first.
tpu-install:
	$(call need,PROJECT ZONE TPU)
	$(DO) mkdir -p build
	$(DO) git archive --format=tar.gz --output=build/code.tar.gz HEAD
	$(DO) gcloud compute tpus tpu-vm scp build/code.tar.gz $(TPU): $(WHERE) --worker=all
	$(DO) gcloud compute tpus tpu-vm ssh $(TPU) $(WHERE) --worker=all --command "sudo apt-get install -y make python3.11-venv && mkdir -p tft && tar xzf code.tar.gz -C tft && make -C tft tpu-setup PYTHON=python3.11"

tpu-train: ## cloud: train on the TPU VM, from and to BUCKET
	$(call need,PROJECT ZONE TPU BUCKET RUN_NAME CONFIG DATASET)
	$(DO) $(ON_TPU) "cd tft && nohup .venv/bin/python -m trainer $(TRAINING) $(ARGS) > $(RUN_NAME).log 2>&1 < /dev/null & sleep 1"

tpu-tail: ## cloud: follow the log of tpu-train
	$(call need,PROJECT ZONE TPU RUN_NAME)
	$(DO) $(ON_TPU) "tail -n 40 -F tft/$(RUN_NAME).log"

tpu-fetch: ## cloud: bring the run RUN_NAME from BUCKET to runs/
	$(call need,BUCKET RUN_NAME)
	$(DO) mkdir -p runs/$(RUN_NAME)
	$(DO) gsutil -m -q rsync -c -r $(HOME_OF_RUNS)/$(RUN_NAME) runs/$(RUN_NAME)

tpu-delete: ## cloud: give the TPU VM back, or leave the queue
	$(call need,PROJECT ZONE TPU)
	$(DO) gcloud compute tpus queued-resources delete $(TPU) $(WHERE) --force --quiet

run-local: $(ENVIRONMENT) ## train on this machine, with the cloud's settings
	$(call need,RUN_NAME CONFIG DATASET)
	$(DO) $(BIN)/python -m trainer --config $(CONFIG) --dataset $(DATASET) --run runs/$(RUN_NAME) $(ARGS)

verify-model: $(ENVIRONMENT) tpu-fetch ## cloud: fetch the run RUN_NAME and score it
	$(call need,DATASET CHECKPOINT)
	$(DO) $(BIN)/python -m eval --run runs/$(RUN_NAME) --dataset $(DATASET) --checkpoint $(CHECKPOINT)

docker-build: ## build the container IMAGE (TPU_IMAGE=1: for TPU VMs)
	$(call need,IMAGE)
	$(DO) docker build --file docker/$(if $(TPU_IMAGE),tpu.Dockerfile,Dockerfile) --tag $(IMAGE_URI) .

docker-local-train: ## train in the container, on data/ and runs/
	$(call need,IMAGE RUN_NAME CONFIG DATASET)
	$(DO) docker run --rm --volume $(CURDIR)/data:/work/data:ro --volume $(CURDIR)/runs:/work/runs $(if $(GPU),--gpus=all) $(IMAGE_URI) -m trainer --config $(CONFIG) --dataset $(DATASET) --run runs/$(RUN_NAME) $(ARGS)

docker-push: ## send the container to its registry
	$(call need,IMAGE)
	$(DO) docker push $(IMAGE_URI)

cloud-train: ## train as a Vertex AI job (GPU_TYPE=NVIDIA_L4)
	$(call need,PROJECT REGION BUCKET IMAGE RUN_NAME CONFIG DATASET MACHINE)
	$(DO) gcloud ai custom-jobs create --project=$(PROJECT) --region=$(REGION) --display-name=$(RUN_NAME) --worker-pool-spec=machine-type=$(MACHINE),replica-count=1,$(if $(GPU_TYPE),accelerator-type=$(GPU_TYPE)$(comma)accelerator-count=1$(comma))container-image-uri=$(IMAGE_URI) '--args=^;^$(subst $(space),;,$(strip -m trainer $(TRAINING) $(ARGS)))'
