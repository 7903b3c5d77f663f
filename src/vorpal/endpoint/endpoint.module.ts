import { Module } from '@nestjs/common';
import { ProgramEnvironment, Settings } from '../../config/index.js';
import { ShutdownDeadline } from '../../infra/lifecycle/index.js';
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
  ],
  exports: [VorpalEndpoint, EmbeddingsEndpoint],
})
export class EndpointModule {}
