// Checks a Kobling log with the original implementation of signed notes and tiles, golang.org/x/mod/sumdb.
//
// Arguments: the log's folder, and optionally the size of an earlier state and its root in hexadecimal digits. Checked are the
// checkpoint's signature, that every entry is the one in the tree (a proof of inclusion from the tiles), and that the tree
// continues its earlier states (a proof of consistency).
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Println("bad:", err)
		os.Exit(1)
	}
}

// tiles reads tiles of height 8 from a folder. Go's own servers put the height into the path; the standard does not.
type tiles struct{ folder string }

func (tiles) Height() int { return 8 }

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(wanted))
	for i, tile := range wanted {
		data, err := os.ReadFile(t.path(tile, strconv.Itoa(tile.L)))
		if err != nil {
			return nil, err
		}
		all[i] = data
	}
	return all, nil
}

func (t tiles) path(tile tlog.Tile, level string) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/8/%d/", tile.L))
	return filepath.Join(t.folder, "tile", level, path)
}

func main() {
	folder := os.Args[1]
	key := strings.TrimSpace(string(must(os.ReadFile(filepath.Join(folder, "key")))))
	verifier := must(note.NewVerifier(key))
	signed := must(os.ReadFile(filepath.Join(folder, "checkpoint")))
	opened := must(note.Open(signed, note.VerifierList(verifier)))
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		check(fmt.Errorf("not a checkpoint of %s", verifier.Name()))
	}
	size := must(strconv.ParseInt(lines[1], 10, 64))
	var root tlog.Hash
	copy(root[:], must(base64.StdEncoding.DecodeString(lines[2])))

	read := tiles{folder}
	// Each tile that it reads is checked against the root first.
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, read)
	for first := int64(0); first < size; first += 256 {
		width := size - first
		if width > 256 {
			width = 256
		}
		bundle := must(os.ReadFile(read.path(tlog.Tile{H: 8, L: 0, N: first / 256, W: int(width)}, "entries")))
		for index := first; index < first+width; index++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				check(fmt.Errorf("entry %d is cut off", index))
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			proof := must(tlog.ProveRecord(size, index, hashes))
			if err := tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(bundle[2:end])); err != nil {
				check(fmt.Errorf("entry %d: %w", index, err))
			}
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			check(fmt.Errorf("entry %d is followed by more", first+width-1))
		}
	}
	if len(os.Args) > 2 {
		earlier := must(strconv.ParseInt(os.Args[2], 10, 64))
		var then tlog.Hash
		copy(then[:], must(hex.DecodeString(os.Args[3])))
		proof := must(tlog.ProveTree(size, earlier, hashes))
		check(tlog.CheckTree(proof, size, root, earlier, then))
	}
	fmt.Printf("ok: %d %x\n", size, root[:])
}
