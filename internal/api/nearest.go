package api

import (
	"cmp"
	"slices"
	"strings"
)

// nearest returns the few of names that are spelled most like name, without
// those that exclude.
func nearest(name string, names func(yield func(string) bool)) []string {
	const few = 3
	name = shortened(name)
	all := slices.SortedFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(name, a), distance(name, b)), strings.Compare(a, b))
	})
	all = slices.DeleteFunc(all, func(s string) bool { return strings.HasSuffix(s, "!") })
	return all[:min(few, len(all))]
}

// distance is Levenshtein's, but 1 when b contains a.
func distance(a, b string) int {
	const telling = 3 // bytes that are not found just anywhere
	if len(a) >= telling && strings.Contains(b, a) {
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
