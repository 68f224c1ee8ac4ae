// Package segment keeps sealed events: immutable files of rows, sorted by
// tenant, time and position, column by column.
//
// The one idea: the columns are the truth and everything that makes questions
// fast is derived from them. A segment is two files. NAME.col holds the columns;
// NAME.idx holds postings, fingerprints, zones, counts and text filters, can be
// deleted at any time, and is made again from the columns, byte for byte.
//
// Both files have one frame; numbers are little-endian, checksums CRC32C:
//
//	┌────────┬───────────┬─────────┬─────┬───────────┬────────┬─────────┐
//	│ header │ section 0 │ section │  …  │ section n │ footer │ trailer │
//	└────────┴───────────┴─────────┴─────┴───────────┴────────┴─────────┘
//
//	header   magic 8 │ version u32 │ 0 u32 │ log id 16 │ tie u32 │ 0 8 │ crc u32
//	footer   n u32 │ n × (kind u8 │ field u8 │ block u32 │ offset u64 │ size u64 │ crc u32) │ layout
//	trailer  footer size u64 │ footer crc u32 │ 0 u32 │ magic 8
//
// Opening reads the footers. Every section is verified when it is first
// touched, once. The tie of an index is the footer crc of its columns, so that
// it is never taken for that of others.
//
// The columns of [BlockRows] rows lie together, so that a page of events costs
// few reads: one section for the numbers and codes of a block, one for its salts
// and texts. A text of few values has a sorted dictionary; one that another
// field settles (such as an actor's name) is kept once per value of that field;
// one of nearly unique values is packed by its template or compressed in groups.
package segment
