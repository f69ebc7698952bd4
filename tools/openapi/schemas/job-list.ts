/** The schema of `JobQualityList`. */
export const JOB_QUALITY_LIST_SCHEMA = {
  type: 'object',
  required: ['items'],
  properties: {
    items: {
      type: 'array',
      items: {
        type: 'object',
        required: ['jobId', 'quality', 'problem'],
        properties: {
          jobId: {
            type: 'string',
            description:
              'The requested id, in canonical form. An invalid job id is as it was sent, cut after 64 characters.',
          },
          quality: { anyOf: [{ $ref: 'JobQuality' }, { type: 'null' }] },
          problem: { anyOf: [{ $ref: 'Problem' }, { type: 'null' }] },
        },
        $id: 'JobQualityListItem',
        additionalProperties: false,
        description: 'One job with its quality or, if that cannot be read, its problem.',
      },
      description: 'Each job once, in the order of the request.',
    },
  },
  $id: 'JobQualityList',
  additionalProperties: false,
  description: 'Several jobs.',
}
