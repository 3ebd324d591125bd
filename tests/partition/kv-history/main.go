// kv-history lets clients write and read a ferry-kv cluster, and tells whether what they saw is linearizable.
//
//	kv-history load CLIENTS SEED FILE URL...   until its standard input ends; the history goes to FILE
//	kv-history check FILE                      exits with 0 when it is linearizable, with 1 when it is not
//
// The last line that load prints counts the operations; that of check is the verdict.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/anishathalye/porcupine"
)

const checkTimeout = 60 * time.Second

func fail(format string, args ...any) {
	fmt.Printf("kv-history: "+format+"\n", args...)
	os.Exit(2)
}

func load(args []string) {
	if len(args) < 4 {
		fail("load takes CLIENTS SEED FILE URL...")
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 {
		fail("%q is no number of clients", args[0])
	}
	seed, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		fail("%q is no seed", args[1])
	}
	c := newClients(args[3:])
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(c.stop)
	}()
	fmt.Println("loading")
	loadErr := c.load(n, seed)
	if err := c.history.write(args[2]); err != nil {
		fail("%v", err)
	}
	if loadErr != nil {
		fail("%v", loadErr)
	}
	fmt.Printf("%d done, %d of unknown outcome, %d without effect\n", c.nDone.Load(), c.nUnknown.Load(), c.nNone.Load())
}

func checkFile(path string) {
	file, err := os.Open(path)
	if err != nil {
		fail("%v", err)
	}
	all, err := readHistory(file)
	if err != nil {
		fail("%s: %v", path, err)
	}
	switch check(all, checkTimeout) {
	case porcupine.Ok:
		fmt.Printf("%d operations are linearizable\n", len(all))
	case porcupine.Unknown:
		fail("%d operations cannot be checked within %v", len(all), checkTimeout)
	default:
		fmt.Printf("not linearizable: %v\n", blame(all, checkTimeout))
		os.Exit(1)
	}
}

func main() {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "load":
		load(os.Args[2:])
	case len(os.Args) == 3 && os.Args[1] == "check":
		checkFile(os.Args[2])
	default:
		fail("it takes load or check")
	}
}
