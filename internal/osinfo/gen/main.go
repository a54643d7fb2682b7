// Command gen makes the table of operating systems from a release of
// osinfo-db: a Debian package, the upstream archive (.tar.xz) or a folder in
// which either was unpacked. From the database it takes facts only: ids,
// names, versions, dates and figures.
package main

import (
	"flag"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	supplement := flag.String("supplement", "", "JSON `file` with systems that the release lacks")
	out := flag.String("out", "", "Go `file` to write")
	flag.Usage = func() {
		log.Print("usage: gen -supplement FILE -out FILE OSINFO-DB\n\nOSINFO-DB is a .deb, a .tar.xz or a folder.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *supplement == "" || *out == "" || flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	code, err := generate(flag.Arg(0), *supplement)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*out, code, 0o644); err != nil {
		log.Fatal(err)
	}
}
