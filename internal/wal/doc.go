// Package wal is the write-ahead log: numbered records in files that are filled
// with zeros beforehand and used again, so that an append is one direct write
// and one sync that touches no metadata.
//
// The one idea: a file belongs to an epoch, and epochs only rise. The bytes of a
// file's earlier life carry an older epoch and can never be taken for new ones;
// and whatever one file holds from the number on with which a later file begins
// was never acknowledged, so that a log whose write or sync failed goes on in a
// new file and never has to repair the old one.
//
// # Files
//
// A file is named wal-<first position, 20 digits>-<epoch, 10 digits or more>.
// Files named wal-free-<id> wait to be used. All numbers are little-endian; a
// file is a sequence of blocks of 4096 bytes. The first block is the header:
//
//	 0        8         12       16         32      40         48       56      64        4096
//	┌────────┬─────────┬────────┬──────────┬───────┬──────────┬────────┬───────┬───────────┐
//	│annalwal│ version │ crc32c │  log id  │ epoch │ first    │ first  │ file  │  ignored  │
//	│        │    2    │        │          │       │ position │ number │ bytes │           │
//	└────────┴─────────┴────────┴──────────┴───────┴──────────┴────────┴───────┴───────────┘
//
// The CRC-32C is that of bytes 0 to 12 and 16 to 64; later versions keep the
// first 16 bytes as they are. Version 1, which is read too, does not say how long
// the file is, and knows no marks. The header lies in one sector, so that a power cut
// leaves the old one or the new one. It is synced before the file gets its name:
// a header that contradicts the name belongs to a file that was never used.
//
// Records follow, each at the start of a block and without a gap between them:
//
//	 0        4        8       16       24         32         40      44       48
//	┌────────┬────────┬───────┬────────┬──────────┬──────────┬───────┬────────┬─────────┬───────┐
//	│ ANRC   │ crc32c │ epoch │ number │ position │ received │ count │ length │ payload │ zeros │
//	└────────┴────────┴───────┴────────┴──────────┴──────────┴───────┴────────┴─────────┴───────┘
//
// The CRC-32C is that of the log id, the record's offset in the file (8 bytes),
// and the record from byte 8 to the end of its payload. Epoch is the file's.
// Number counts records over the life of the log, from 0 and without gaps;
// position and count say which events the record holds, received is their time
// of arrival in Unix microseconds. Zeros fill the last block.
//
// Two kinds of records have no payload and no events. ANMK, in place of ANRC, is
// a mark: everything before it was acknowledged. It is written when the log has
// been at rest for a while and when it is closed, and has a number as every
// record. ANNF says that another file was begun after this one; its number is
// the one with which that begins. Room for both is kept behind every record.
//
// # Reading
//
// Files are read in the order of their epochs. A record counts when its checksum
// and epoch are right and its number and position are the next expected. The
// rest of the newest file is a torn tail, to be written over. But where a record
// fails and a later one of the same file is intact, or where a file ends before
// the number or the position with which the next begins, acknowledged records
// are lost: that is Damage. So it is when the file that an ANNF speaks of is not
// there, when a file is shorter than its header says, and when one that holds
// records has the name of another. What no mark stands behind yet, the last
// record of a log that was killed while it was busy, looks like a torn write when
// it is damaged.
//
// Damage to the end of the log leaves open how far it went. Who opens it may
// then let it go on at a position behind all that may have been given ([Log.Skip]).
package wal
