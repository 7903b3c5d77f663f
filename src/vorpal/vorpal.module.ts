import { HttpModule } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { ProgramEnvironment, Settings } from '../config/index.js';
import { ShutdownDeadline } from '../infra/lifecycle/index.js';
import { AxiosWire, axiosOver } from './http/axios-wire.js';
import { LocalVorpalProcess } from './endpoint/local-vorpal-process.js';
import { findLocalVorpal } from './endpoint/local-vorpal-program.js';
import { PerplexityScorer } from './scoring/perplexity.scorer.js';
import { TokenSpansService } from './scoring/token-spans.service.js';
import { UndiciWire } from './http/undici-wire.js';
import { VorpalWires } from './http/vorpal-wires.js';
import { VorpalClient } from './vorpal.client.js';
import {
  EmbeddingsEndpoint,
  FixedEmbeddingsEndpoint,
  FixedVorpalEndpoint,
  SharedEmbeddingsEndpoint,
  VorpalEndpoint,
} from './endpoint/vorpal-endpoint.js';
import { VorpalHealth } from './vorpal.health.js';

// Control questions are answered in milliseconds, and those of one kind are asked together.
const CONTROL_CONNECTIONS = 8;

@Module({
  providers: [
    { provide: UndiciWire, inject: [Settings], useFactory: ({ vorpal }: Settings) => new UndiciWire(vorpal) },
  ],
  exports: [UndiciWire],
})
class WireModule {}

/** The language-model server: the configured one, or a local one that this module starts and ends. */
@Module({
  imports: [
    TerminusModule,
    WireModule,
    HttpModule.registerAsync({ imports: [WireModule], inject: [UndiciWire], useFactory: axiosOver }),
  ],
  providers: [
    {
      provide: VorpalEndpoint,
      inject: [Settings, ProgramEnvironment, ShutdownDeadline],
      useFactory: async (
        { vorpal: { url } }: Settings,
        environment: ProgramEnvironment,
        deadline: ShutdownDeadline,
      ): Promise<VorpalEndpoint> => {
        if (url !== undefined) return new FixedVorpalEndpoint(url);
        return new LocalVorpalProcess(await findLocalVorpal(environment.variables), environment, deadline, 'all');
      },
    },
    {
      provide: EmbeddingsEndpoint,
      inject: [Settings, ProgramEnvironment, ShutdownDeadline, VorpalEndpoint],
      useFactory: async (
        { vorpal: { url, embeddingsUrl } }: Settings,
        environment: ProgramEnvironment,
        deadline: ShutdownDeadline,
        endpoint: VorpalEndpoint,
      ): Promise<EmbeddingsEndpoint> => {
        if (embeddingsUrl !== undefined) return new FixedEmbeddingsEndpoint(embeddingsUrl);
        if (url === undefined) return new SharedEmbeddingsEndpoint(endpoint);
        const program = await findLocalVorpal(environment.variables);
        return new LocalVorpalProcess(program, environment, deadline, 'embeddings');
      },
    },
    AxiosWire,
    {
      provide: VorpalWires,
      inject: [Settings, AxiosWire],
      useFactory: ({ vorpal }: Settings, work: AxiosWire) =>
        new VorpalWires(
          new UndiciWire(vorpal, { maxConnections: vorpal.chatConcurrency }),
          work,
          new UndiciWire(vorpal, { maxConnections: CONTROL_CONNECTIONS }),
        ),
    },
    VorpalClient,
    PerplexityScorer,
    TokenSpansService,
    VorpalHealth,
  ],
  exports: [VorpalEndpoint, VorpalClient, PerplexityScorer, TokenSpansService, VorpalHealth],
})
export class VorpalModule {}
