package lstm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// hdf5 reads of an HDF5 file what Keras's weights need (HDF5 File Format
// Specification 1.1): superblock 0, groups as symbol tables, object headers of
// version 1 and contiguous little-endian float32. Everything else is refused.
// Addresses in the file are never trusted, and the number of nodes read is
// bounded, so that a file that points at itself comes to an end.
type hdf5 struct {
	data  []byte
	root  uint64 // address of the root group's object header
	nodes int    // left to read
}

const (
	hdf5Nodes = 100_000 // headers, tree nodes and symbols read of one file
	hdf5Depth = 16      // of a tree of symbol nodes
)

var errHDF5Nodes = errors.New("too many nodes, or nodes that point in a circle")

func openHDF5(data []byte) (*hdf5, error) {
	f := &hdf5{data: data, nodes: hdf5Nodes}
	b, err := f.at(0, 96)
	if err != nil || !bytes.HasPrefix(b, []byte("\x89HDF\r\n\x1a\n")) {
		return nil, errors.New("not an HDF5 file")
	}
	if b[8] != 0 {
		return nil, fmt.Errorf("superblock version %d, want 0 as Keras writes it", b[8])
	}
	if b[13] != 8 || b[14] != 8 {
		return nil, fmt.Errorf("offsets of %d and lengths of %d bytes, want 8", b[13], b[14])
	}
	if base := binary.LittleEndian.Uint64(b[24:]); base != 0 {
		return nil, fmt.Errorf("base address %d, want 0", base)
	}
	if end := binary.LittleEndian.Uint64(b[40:]); end > uint64(len(data)) {
		return nil, fmt.Errorf("file is cut: %d bytes of %d", len(data), end)
	}
	f.root = binary.LittleEndian.Uint64(b[64:])
	return f, nil
}

// at is n bytes of the file.
func (f *hdf5) at(address, n uint64) ([]byte, error) {
	if size := uint64(len(f.data)); address > size || n > size-address {
		return nil, fmt.Errorf("%d bytes at %d reach past the end of the file", n, address)
	}
	return f.data[address:][:n:n], nil
}

// visit counts down the nodes that may still be read.
func (f *hdf5) visit() error {
	if f.nodes--; f.nodes < 0 {
		return errHDF5Nodes
	}
	return nil
}

// message of an object header; those not needed here have no name.
type message struct {
	kind uint16
	data []byte
}

const (
	messageDataspace    = 0x01
	messageLink         = 0x06
	messageDatatype     = 0x03
	messageExternal     = 0x07
	messageLayout       = 0x08
	messageFilter       = 0x0b
	messageContinuation = 0x10
	messageSymbolTable  = 0x11
)

// header reads the messages of the object at address.
func (f *hdf5) header(address uint64) ([]message, error) {
	b, err := f.at(address, 16)
	if err != nil {
		return nil, err
	}
	if b[0] != 1 {
		return nil, fmt.Errorf("object header version %d, want 1", b[0])
	}
	left := int(binary.LittleEndian.Uint16(b[2:]))
	blocks := [][2]uint64{{address + 16, uint64(binary.LittleEndian.Uint32(b[8:]))}}
	var messages []message
	for len(blocks) > 0 && left > 0 {
		block, err := f.at(blocks[0][0], blocks[0][1])
		if err != nil {
			return nil, fmt.Errorf("object header: %w", err)
		}
		for blocks = blocks[1:]; len(block) >= 8 && left > 0; left-- {
			if err := f.visit(); err != nil {
				return nil, err
			}
			m := message{kind: binary.LittleEndian.Uint16(block)}
			size, flags := int(binary.LittleEndian.Uint16(block[2:])), block[4]
			if size > len(block)-8 {
				return nil, errors.New("object header: message reaches past its block")
			}
			m.data, block = block[8:8+size], block[8+size:]
			if flags&2 != 0 && m.kind != 0 {
				m.data = nil // shared: stands elsewhere, and is too short for whoever needs it
			}
			if m.kind == messageContinuation {
				if len(m.data) < 16 {
					return nil, errors.New("object header: continuation is cut")
				}
				blocks = append(blocks, [2]uint64{binary.LittleEndian.Uint64(m.data), binary.LittleEndian.Uint64(m.data[8:])})
				continue
			}
			messages = append(messages, m)
		}
	}
	return messages, nil
}

// group lists the children of the group at address: their object headers by
// name.
func (f *hdf5) group(address uint64) (map[string]uint64, error) {
	messages, err := f.header(address)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(messages, func(m message) bool { return m.kind == messageSymbolTable })
	if i < 0 || len(messages[i].data) < 16 {
		return nil, errors.New("not a group with a symbol table")
	}
	tree := binary.LittleEndian.Uint64(messages[i].data)
	heap, err := f.heap(binary.LittleEndian.Uint64(messages[i].data[8:]))
	if err != nil {
		return nil, err
	}
	children := make(map[string]uint64)
	return children, f.tree(tree, heap, children, hdf5Depth)
}

// heap is the data segment of the local heap at address, which holds names.
func (f *hdf5) heap(address uint64) ([]byte, error) {
	b, err := f.at(address, 32)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(b, []byte("HEAP\x00")) {
		return nil, errors.New("group without a local heap of version 0")
	}
	return f.at(binary.LittleEndian.Uint64(b[24:]), binary.LittleEndian.Uint64(b[8:]))
}

// tree adds the symbols under a node of a group's B-tree.
func (f *hdf5) tree(address uint64, heap []byte, children map[string]uint64, depth int) error {
	if err := f.visit(); err != nil {
		return err
	}
	b, err := f.at(address, 24)
	if err != nil {
		return err
	}
	if bytes.HasPrefix(b, []byte("SNOD\x01")) {
		return f.symbols(address, heap, children)
	}
	if !bytes.HasPrefix(b, []byte("TREE\x00")) || depth == 0 {
		return errors.New("group's B-tree is broken")
	}
	n := uint64(binary.LittleEndian.Uint16(b[6:]))
	entries, err := f.at(address+24, n*16)
	if err != nil {
		return err
	}
	for ; len(entries) > 0; entries = entries[16:] {
		if err := f.tree(binary.LittleEndian.Uint64(entries[8:]), heap, children, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// symbols adds the entries of a symbol table node.
func (f *hdf5) symbols(address uint64, heap []byte, children map[string]uint64) error {
	b, err := f.at(address, 8)
	if err != nil {
		return err
	}
	const size = 40
	entries, err := f.at(address+8, uint64(binary.LittleEndian.Uint16(b[6:]))*size)
	if err != nil {
		return err
	}
	for ; len(entries) > 0; entries = entries[size:] {
		if err := f.visit(); err != nil {
			return err
		}
		offset := binary.LittleEndian.Uint64(entries)
		if offset >= uint64(len(heap)) {
			return errors.New("a name stands outside of its heap")
		}
		name, _, ok := bytes.Cut(heap[offset:], []byte{0})
		if !ok || len(name) == 0 || len(name) > 255 {
			return errors.New("a name does not end, or is empty or too long")
		}
		if cache := binary.LittleEndian.Uint32(entries[16:]); cache > 1 {
			return fmt.Errorf("%q is a symbolic link", name)
		}
		if _, twice := children[string(name)]; twice {
			return fmt.Errorf("%q is there twice", name)
		}
		children[string(name)] = binary.LittleEndian.Uint64(entries[8:])
	}
	return nil
}

// find is the address of the object at a path from the root.
func (f *hdf5) find(path string) (uint64, error) {
	address := f.root
	for name := range strings.SplitSeq(path, "/") {
		children, err := f.group(address)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		child, ok := children[name]
		if !ok {
			return 0, fmt.Errorf("%s is missing", path)
		}
		address = child
	}
	return address, nil
}

// names are the children of the group at a path, sorted.
func (f *hdf5) names(path string) ([]string, error) {
	address, err := f.find(path)
	if err != nil {
		return nil, err
	}
	children, err := f.group(address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	names := make([]string, 0, len(children))
	for name := range children {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// floats reads the dataset at a path, which must have the given shape.
func (f *hdf5) floats(path string, shape ...int) ([]float32, error) {
	address, err := f.find(path)
	if err != nil {
		return nil, err
	}
	v, err := f.dataset(address, shape)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// float32LE is a datatype message: class 1 (floating point) of version 1, little
// endian with an implied first bit, sign at 31, four bytes, and IEEE's fields.
var float32LE = []byte{0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0}

func (f *hdf5) dataset(address uint64, shape []int) ([]float32, error) {
	messages, err := f.header(address)
	if err != nil {
		return nil, err
	}
	var space, kind, layout []byte
	for _, m := range messages {
		switch m.kind {
		case messageDataspace:
			space = m.data
		case messageDatatype:
			kind = m.data
		case messageLayout:
			layout = m.data
		case messageFilter:
			return nil, errors.New("data are compressed, want them plain as Keras writes them")
		case messageExternal, messageLink:
			return nil, errors.New("data stand in another place")
		}
	}
	got, err := dimensions(space)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(got, shape) {
		return nil, fmt.Errorf("shape is %v, want %v", got, shape)
	}
	if len(kind) < len(float32LE) || !bytes.Equal(kind[:len(float32LE)], float32LE) {
		return nil, errors.New("numbers are not little-endian float32")
	}
	if len(layout) < 18 || layout[0] != 3 || layout[1] != 1 {
		return nil, errors.New("data are not contiguous (layout version 3, class 1)")
	}
	size := uint64(4)
	for _, d := range shape {
		size *= uint64(d)
	}
	if n := binary.LittleEndian.Uint64(layout[10:]); n != size {
		return nil, fmt.Errorf("%d bytes of data, want %d", n, size)
	}
	b, err := f.at(binary.LittleEndian.Uint64(layout[2:]), size)
	if err != nil {
		return nil, err
	}
	return floats(b), nil
}

// dimensions reads a dataspace message of version 1 or 2.
func dimensions(b []byte) ([]int, error) {
	if len(b) < 4 {
		return nil, errors.New("dataspace is missing or cut")
	}
	start := 8
	switch {
	case b[0] == 2 && b[3] <= 1:
		start = 4
	case b[0] != 1:
		return nil, fmt.Errorf("dataspace version %d, want 1", b[0])
	}
	rank := int(b[1])
	if rank > 8 || len(b) < start+8*rank {
		return nil, fmt.Errorf("dataspace with %d dimensions is cut", rank)
	}
	shape := make([]int, rank)
	for i := range shape {
		d := binary.LittleEndian.Uint64(b[start+8*i:])
		if d > 1<<31 {
			return nil, fmt.Errorf("dimension of %d", d)
		}
		shape[i] = int(d)
	}
	return shape, nil
}
