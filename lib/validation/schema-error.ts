/** A schema that cannot be used. The message says what it has or lacks, to follow "its schema". */
export class SchemaError extends Error {}
