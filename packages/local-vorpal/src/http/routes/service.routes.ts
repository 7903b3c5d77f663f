import type { FastifyInstance } from 'fastify';
import type { ModelList } from '@archive-brain/vllm-protocol';
import { nowInSeconds, type ServerContext } from '../server-context.js';

export interface ServiceInfo {
  readonly version: string;
  readonly isStopping: () => boolean;
}

/** What tells about the server itself: `/health`, `/v1/models`, `/metrics`, `/version`. */
export function registerService(app: FastifyInstance, { models, metrics }: ServerContext, info: ServiceInfo): void {
  const startedAt = nowInSeconds();
  const describe = (id: string, root: string, windowTokens: number): ModelList['data'][number] => ({
    id,
    object: 'model',
    created: startedAt,
    owned_by: 'local-vorpal',
    root,
    parent: null,
    max_model_len: windowTokens,
    permission: [],
  });

  app.get('/health', async (_request, reply) => {
    const { status, message } = info.isStopping() ? STOPPING : models.health;
    if (status === 'ready') return reply.code(200).send();
    return reply.code(503).header('retry-after', '2').send({ status, message });
  });

  app.get('/v1/models', (): ModelList => {
    const data: ModelList['data'] = [];
    if (models.servesLanguage) {
      const language = models.languageFor(undefined, 'Models API');
      data.push(describe(language.id, language.id, language.windowTokens));
    }
    const embedding = models.embeddingModel;
    if (embedding) data.push(describe(embedding.id, embedding.build, embedding.windowTokens));
    return { object: 'list', data };
  });

  app.get('/metrics', async (_request, reply) => {
    reply.header('content-type', metrics.registry.contentType);
    return metrics.registry.metrics();
  });

  app.get('/version', () => ({ version: info.version }));
}

const STOPPING = { status: 'stopping', message: 'The server is stopping; ask another one.' } as const;
