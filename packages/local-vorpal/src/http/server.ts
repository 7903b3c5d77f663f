import type { LoggerService } from '@nestjs/common';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Settings } from '../settings.js';
import { describeError, newId } from '@archive-brain/common';
import {
  BodyTooLargeError,
  ClientGoneError,
  InvalidRequestError,
  LocalVorpalError,
  NotReadyError,
  UnauthorizedError,
  UnexpectedError,
} from '../errors.js';
import type { ModelsInService } from '../models-in-service.js';
import type { VorpalMetrics } from '../vorpal-metrics.js';
import { isBearerToken } from './api-key.js';
import { registerChat } from './routes/chat.route.js';
import { registerCompletions } from './routes/completions.route.js';
import { registerEmbeddings } from './routes/embeddings.route.js';
import type { ServerContext } from './server-context.js';
import { registerService } from './routes/service.routes.js';
import { registerTokenize } from './routes/tokenize.route.js';

export interface ServerOptions {
  readonly settings: Settings['server'];
  readonly logger: LoggerService;
  readonly models: ModelsInService;
  readonly metrics: VorpalMetrics;
  readonly version: string;
}

/** A request whose head and body have not arrived by then is a broken or a hostile client. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Headers of ours and of proxies stay far below; an id ends up in every answer. */
const MAX_REQUEST_ID_LENGTH = 128;
/** Evaluations end within half a second of an abort; what has not ended by then is cut. */
const ABORT_MS = 1_000;

/** vLLM's HTTP protocol in front of the models. */
export class VorpalServer {
  readonly app: FastifyInstance;
  /** Every request that has no complete answer yet, with what ends it. */
  private readonly inFlight = new Map<FastifyReply['raw'], AbortController>();
  private onIdle: (() => void) | undefined;
  private stopping = false;

  constructor(private readonly options: ServerOptions) {
    this.app = Fastify({
      bodyLimit: options.settings.bodyLimitBytes,
      requestTimeout: REQUEST_TIMEOUT_MS,
      forceCloseConnections: 'idle',
    });
    this.app.removeContentTypeParser('text/plain');
    this.app.addHook('onRequest', (request, reply, done) => {
      this.track(reply);
      done(this.refusalOf(request));
    });
    this.app.setErrorHandler((error, _request, reply) => this.answerError(error, reply));
    this.app.setNotFoundHandler(({ url }, reply) => {
      const [path = ''] = url.split('?');
      const isKnown = (['GET', 'POST'] as const).some((method) => this.app.hasRoute({ method, url: path }));
      // The web framework's words, not vLLM's: there they come from below vLLM, too.
      if (isKnown) return reply.code(405).send({ detail: 'Method Not Allowed' });
      return reply.code(404).send({ detail: 'Not Found' });
    });
    this.registerRoutes();
  }

  /** @returns the address to reach it at */
  async listen(): Promise<string> {
    const { host, port } = this.options.settings;
    return this.app.listen({ host, port });
  }

  /**
   * Takes no more connections, lets requests in flight finish for `graceMs`, then ends them. Resolves when every
   * connection is closed.
   */
  async stop(graceMs: number): Promise<void> {
    this.stopping = true;
    const closed = this.app.close();
    if (!(await this.idleWithin(graceMs))) {
      for (const end of this.inFlight.values()) end.abort(new NotReadyError('The server is stopping.'));
      await this.idleWithin(ABORT_MS);
    }
    this.app.server.closeAllConnections();
    await closed;
  }

  private registerRoutes(): void {
    const context: ServerContext = {
      models: this.options.models,
      metrics: this.options.metrics,
      endOf: (reply) => this.endOf(reply),
      describeFailure: (error) => this.describeFailure(error).toBody(),
      answerId,
    };
    registerService(this.app, context, { version: this.options.version, isStopping: () => this.stopping });
    registerCompletions(this.app, context);
    registerChat(this.app, context);
    registerEmbeddings(this.app, context);
    registerTokenize(this.app, context);
  }

  private track({ raw }: FastifyReply): void {
    const end = new AbortController();
    this.inFlight.set(raw, end);
    raw.once('close', () => {
      this.inFlight.delete(raw);
      if (!raw.writableFinished) end.abort(new ClientGoneError());
      if (this.inFlight.size === 0) this.onIdle?.();
    });
  }

  private endOf({ raw }: FastifyReply): AbortSignal {
    return this.inFlight.get(raw)?.signal ?? AbortSignal.abort(new ClientGoneError());
  }

  /** Judges by the route that was found: `/%761/models` is `/v1/models`, too. */
  private refusalOf({ method, url, routeOptions, headers }: FastifyRequest): Error | undefined {
    const { apiKey } = this.options.settings;
    const isGuarded = (routeOptions.url ?? url).startsWith('/v1') && method !== 'OPTIONS';
    if (apiKey === undefined || !isGuarded || isBearerToken(headers.authorization, apiKey)) return undefined;
    return new UnauthorizedError();
  }

  private async answerError(error: unknown, reply: FastifyReply): Promise<FastifyReply> {
    if (error instanceof UnauthorizedError) return reply.code(401).send({ error: 'Unauthorized' });
    if (error instanceof ClientGoneError) return reply;
    const answer = this.describeFailure(error);
    if (answer.retryAfterSeconds !== undefined) reply.header('retry-after', String(answer.retryAfterSeconds));
    return reply.code(answer.httpStatus).send(answer.toBody());
  }

  /** What to answer; logs what is the server's own fault. */
  private describeFailure(error: unknown): LocalVorpalError {
    const answer = this.toAnswer(error);
    if (answer.httpStatus === 500) this.options.logger.error(`A request failed: ${describeError(error)}`);
    return answer;
  }

  private toAnswer(error: unknown): LocalVorpalError {
    if (error instanceof LocalVorpalError) return error;
    if (!isFastifyError(error)) return new UnexpectedError({ cause: error });
    if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
      return new BodyTooLargeError(this.options.settings.bodyLimitBytes);
    }
    if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
      return new InvalidRequestError("Unsupported Media Type: Only 'application/json' is allowed");
    }
    const { statusCode = 500 } = error;
    return statusCode < 500 ? new InvalidRequestError(error.message) : new UnexpectedError({ cause: error });
  }

  private idleWithin(ms: number): Promise<boolean> {
    if (this.inFlight.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms, false);
      this.onIdle = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}

function answerId(prefix: string, { headers }: FastifyRequest): string {
  const given = headers['x-request-id'];
  const usable = typeof given === 'string' && given.length <= MAX_REQUEST_ID_LENGTH;
  return `${prefix}-${usable ? given : newId()}`;
}

function isFastifyError(error: unknown): error is FastifyError {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('FST_');
}
