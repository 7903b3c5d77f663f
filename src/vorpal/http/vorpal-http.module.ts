import { HttpModule, HttpService } from '@nestjs/axios';
import { type DynamicModule, Module } from '@nestjs/common';
import { EndpointModule } from '../endpoint/endpoint.module.js';
import { EmbeddingsEndpoint, VorpalEndpoint } from '../endpoint/vorpal-endpoint.js';
import { ChatHttp } from './chat-http.js';
import { ConnectionPool } from './connection-pool.js';
import { axiosOptions, DirectUpstream, overAxios, type SendRequest } from './upstream.js';
import { VorpalHttp } from './vorpal-http.js';
import { vorpalSettings, type VorpalSettings } from '../vorpal.settings.js';
import type { VorpalServer } from './vorpal-server.js';

/**
 * The {@link VorpalHttp} of the embeddings server; that of Vorpal where the two are one, so that they share a
 * circuit.
 */
export const EMBEDDINGS_HTTP = Symbol('EMBEDDINGS_HTTP');

const VORPAL_WORK = Symbol('VORPAL_WORK');
const VORPAL_CONTROL = Symbol('VORPAL_CONTROL');
const EMBEDDINGS_WORK = Symbol('EMBEDDINGS_WORK');
const EMBEDDINGS_CONTROL = Symbol('EMBEDDINGS_CONTROL');

// Without a bound a burst of requests takes all file descriptors.
const WORK_CONNECTIONS = 256;
// Control questions are answered in milliseconds, and those of one kind are asked together.
const CONTROL_CONNECTIONS = 8;

// Models, health and embeddings stay far below it; without it a wrong server's endless answer fills the memory.
const MIN_ANSWER_BYTES = 16 * 1024 * 1024;
// Measured on the protocol's fields: about 160 bytes a token with the `prompt_logprobs` that vLLM adds unasked.
const ANSWER_BYTES_PER_TOKEN = 1_024;

/** A pool of its own for one kind of request. */
export const createPool = (
  { connectTimeoutMs, scoringMaxTokensPerRequest }: VorpalSettings,
  maxConnections: number,
): ConnectionPool => {
  const maxTextBytes = Math.max(MIN_ANSWER_BYTES, ANSWER_BYTES_PER_TOKEN * scoringMaxTokensPerRequest);
  return new ConnectionPool({ connectTimeoutMs, maxConnections, maxTextBytes });
};

const vorpalServer = (settings: VorpalSettings, endpoint: VorpalEndpoint): VorpalServer => ({
  name: 'Vorpal',
  urlSetting: 'VORPAL_URL',
  keySetting: 'VORPAL_API_KEY',
  apiKey: settings.apiKey,
  url: () => endpoint.url(),
});

const embeddingsServer = (settings: VorpalSettings, endpoint: EmbeddingsEndpoint): VorpalServer => ({
  name: 'The embeddings server',
  urlSetting: 'EMBEDDINGS_URL',
  keySetting: 'EMBEDDINGS_API_KEY',
  apiKey: settings.embeddingsApiKey,
  url: () => endpoint.url(),
});

interface Upstream {
  readonly maxConnections: number;
  readonly endpoint: typeof VorpalEndpoint | typeof EmbeddingsEndpoint;
  readonly server: (settings: VorpalSettings, endpoint: EmbeddingsEndpoint) => VorpalServer;
}

/** The {@link SendRequest} of one kind of request to one server: axios, over a pool of its own. */
@Module({})
class UpstreamModule {
  static register(token: symbol, { maxConnections, endpoint, server }: Upstream): DynamicModule {
    const http = HttpModule.registerAsync({
      imports: [EndpointModule],
      inject: [vorpalSettings.KEY, endpoint],
      useFactory: (settings: VorpalSettings, address: EmbeddingsEndpoint) =>
        axiosOptions(createPool(settings, maxConnections), server(settings, address)),
    });
    return {
      module: UpstreamModule,
      imports: [EndpointModule, http],
      providers: [
        {
          provide: token,
          inject: [HttpService, vorpalSettings.KEY, endpoint],
          useFactory: (http: HttpService, settings: VorpalSettings, address: EmbeddingsEndpoint): SendRequest =>
            overAxios(http.axiosRef, server(settings, address)),
        },
      ],
      exports: [token],
    };
  }
}

const vorpal = { endpoint: VorpalEndpoint, server: vorpalServer };
const embeddings = { endpoint: EmbeddingsEndpoint, server: embeddingsServer };

/** How requests travel to Vorpal and to the embeddings server. */
@Module({
  imports: [
    EndpointModule,
    UpstreamModule.register(VORPAL_WORK, { ...vorpal, maxConnections: WORK_CONNECTIONS }),
    UpstreamModule.register(VORPAL_CONTROL, { ...vorpal, maxConnections: CONTROL_CONNECTIONS }),
    UpstreamModule.register(EMBEDDINGS_WORK, { ...embeddings, maxConnections: WORK_CONNECTIONS }),
    UpstreamModule.register(EMBEDDINGS_CONTROL, { ...embeddings, maxConnections: CONTROL_CONNECTIONS }),
  ],
  providers: [
    {
      provide: ChatHttp,
      inject: [vorpalSettings.KEY, VorpalEndpoint, VORPAL_CONTROL],
      useFactory: (settings: VorpalSettings, endpoint: VorpalEndpoint, control: SendRequest) => {
        const server = vorpalServer(settings, endpoint);
        const pool = createPool(settings, settings.chatConcurrency);
        return new ChatHttp(server, new DirectUpstream(pool, server), control, settings);
      },
    },
    {
      provide: VorpalHttp,
      inject: [vorpalSettings.KEY, VorpalEndpoint, VORPAL_WORK, VORPAL_CONTROL],
      useFactory: (settings: VorpalSettings, endpoint: VorpalEndpoint, main: SendRequest, control: SendRequest) =>
        new VorpalHttp(vorpalServer(settings, endpoint), { main, control }, settings),
    },
    {
      provide: EMBEDDINGS_HTTP,
      inject: [vorpalSettings.KEY, EmbeddingsEndpoint, VorpalHttp, EMBEDDINGS_WORK, EMBEDDINGS_CONTROL],
      useFactory: (
        settings: VorpalSettings,
        endpoint: EmbeddingsEndpoint,
        shared: VorpalHttp,
        main: SendRequest,
        control: SendRequest,
      ) =>
        endpoint.isVorpal ? shared : new VorpalHttp(embeddingsServer(settings, endpoint), { main, control }, settings),
    },
  ],
  exports: [ChatHttp, VorpalHttp, EMBEDDINGS_HTTP],
})
export class VorpalHttpModule {}
