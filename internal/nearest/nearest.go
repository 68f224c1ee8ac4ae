// Package nearest finds the names that somebody may have meant who wrote
// another. Its one idea is the edit distance, and that a part of a name is near
// to all of it.
package nearest

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// telling is how many bytes are not found in just any name.
const telling = 3

// Names returns the few of names that are spelled most like word, the nearest
// first. It takes time in proportion to the length of word.
func Names(word string, names iter.Seq[string], few int) []string {
	all := slices.SortedFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(word, a), distance(word, b)), strings.Compare(a, b))
	})
	return all[:min(few, len(all))]
}

// distance counts the bytes to insert, delete or replace between a and b
// (Levenshtein), but is 1 when b contains a.
func distance(a, b string) int {
	if len(a) >= telling && a != b && strings.Contains(b, a) {
		return 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
