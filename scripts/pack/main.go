// Command pack adds the inputs in a folder to a fuzzer's corpus; see package
// corpus, whose idea it is: pack testdata/corpus/FuzzX.gz FOLDER
package main

import (
	"fmt"
	"os"

	"annal/internal/corpus"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: pack CORPUS FOLDER")
		os.Exit(2)
	}
	n, err := corpus.Pack(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
	fmt.Printf("%s: %d inputs\n", os.Args[1], n)
}
