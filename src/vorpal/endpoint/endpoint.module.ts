import { Module } from '@nestjs/common';
import { ProgramEnvironment } from '../../config/index.js';
import { ShutdownDeadline } from '../../infra/lifecycle/index.js';
import { vorpalSettings, type VorpalSettings } from '../vorpal.settings.js';
import { LocalVorpalProcess } from './local-vorpal-process.js';
import { findLocalVorpal } from './local-vorpal-program.js';
import {
  EmbeddingsEndpoint,
  FixedEmbeddingsEndpoint,
  FixedVorpalEndpoint,
  SharedEmbeddingsEndpoint,
  VorpalEndpoint,
} from './vorpal-endpoint.js';

/**
 * Where Vorpal and the embeddings server are: the configured addresses, or local ones that this module starts and
 * ends.
 */
@Module({
  providers: [
    {
      provide: VorpalEndpoint,
      inject: [vorpalSettings.KEY, ProgramEnvironment, ShutdownDeadline],
      useFactory: async (
        { url }: VorpalSettings,
        environment: ProgramEnvironment,
        deadline: ShutdownDeadline,
      ): Promise<VorpalEndpoint> => {
        if (url !== undefined) return new FixedVorpalEndpoint(url);
        return new LocalVorpalProcess(await findLocalVorpal(environment.variables), environment, deadline, 'all');
      },
    },
    {
      provide: EmbeddingsEndpoint,
      inject: [vorpalSettings.KEY, ProgramEnvironment, ShutdownDeadline, VorpalEndpoint],
      useFactory: async (
        { url, embeddingsUrl }: VorpalSettings,
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
  ],
  exports: [VorpalEndpoint, EmbeddingsEndpoint],
})
export class EndpointModule {}
