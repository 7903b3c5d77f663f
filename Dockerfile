# Three images from one build: `brain` and `local-vorpal` hold one program each, `all-in-one` (the default) holds both, for
# a single container whose brain starts the local Vorpal as its child. docs/operations.md says which is for whom.
#
# The base is pinned by its version tag, the same Node as .node-version; for a byte-exact base append its digest.
ARG NODE_IMAGE=node:24.21.0-slim

FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages/common/package.json ./packages/common/
COPY packages/vllm-protocol/package.json ./packages/vllm-protocol/
COPY packages/local-vorpal/package.json ./packages/local-vorpal/

FROM manifests AS build
RUN --mount=type=cache,target=/root/.npm npm ci
COPY tsconfig.json tsconfig.build.json nest-cli.json ./
COPY packages ./packages
COPY src ./src
RUN npm run build && rm -rf packages/*/src

# Stages of their own, so that a change of the source does not fetch the packages again.
#
# Optional packages stay: the platform builds of the language model and of the embeddings are among them. What goes is
# the Node that the project brings for older machines, since the image has it, and 220 MB of other systems' ONNX runtimes.
FROM manifests AS brain-dependencies
RUN --mount=type=cache,target=/root/.npm \
    npm ci --omit=dev --include-workspace-root --workspace packages/common --workspace packages/vllm-protocol \
    && rm -rf node_modules/node-linux-* node_modules/.bin/node

FROM manifests AS local-vorpal-dependencies
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --workspace packages/local-vorpal \
    && rm -rf node_modules/onnxruntime-node/bin/*/darwin node_modules/onnxruntime-node/bin/*/win32

FROM manifests AS all-dependencies
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev \
    && rm -rf node_modules/node-linux-* node_modules/.bin/node \
        node_modules/onnxruntime-node/bin/*/darwin node_modules/onnxruntime-node/bin/*/win32

FROM ${NODE_IMAGE} AS runtime
ENV NODE_ENV=production
# A fresh volume takes over the owner of the folder that it is mounted on.
RUN install -d -o node -g node /data /models
WORKDIR /app
COPY package.json ./
COPY --from=build /app/packages/common ./packages/common
COPY --from=build /app/packages/vllm-protocol ./packages/vllm-protocol
USER node

FROM runtime AS local-vorpal
# Hugging Face is the only source of models here: the other one needs Python and pip, which this image does not carry.
ENV LOCAL_VORPAL_HOST=0.0.0.0 \
    BRAIN_CACHE_DIR=/models \
    MODEL_SOURCES=huggingface
COPY --from=local-vorpal-dependencies /app/node_modules ./node_modules
COPY --from=build /app/packages/local-vorpal ./packages/local-vorpal
VOLUME ["/models"]
EXPOSE 8000
# Fetching and loading the model may take minutes; failures within the start period do not count.
HEALTHCHECK --interval=10s --timeout=5s --start-period=15m --retries=3 \
    CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.LOCAL_VORPAL_PORT || 8000) + '/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Node itself is the first process, so that a stop signal reaches it.
ENTRYPOINT ["node", "--enable-source-maps", "packages/local-vorpal/dist/main.js"]

FROM runtime AS brain
ENV HOST=0.0.0.0 \
    BRAIN_DATA_DIR=/data
COPY --from=brain-dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
VOLUME ["/data"]
EXPOSE 8080
# Liveness, not readiness: some supervisors restart an unhealthy container, and a restart brings no Redis or Vorpal back.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 8080) + '/health/live').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--no-allocation-site-pretenuring", "--enable-source-maps", "dist/main.js"]

FROM runtime AS all-in-one
ENV HOST=0.0.0.0 \
    BRAIN_DATA_DIR=/data \
    BRAIN_CACHE_DIR=/models \
    MODEL_SOURCES=huggingface
COPY --from=all-dependencies /app/node_modules ./node_modules
COPY --from=build /app/packages/local-vorpal ./packages/local-vorpal
COPY --from=build /app/dist ./dist
VOLUME ["/data", "/models"]
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 8080) + '/health/live').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--no-allocation-site-pretenuring", "--enable-source-maps", "dist/main.js"]
