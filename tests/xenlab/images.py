"""The images every boot shares: hypervisor, kernel, initramfs and one root disk for dom0 and guests, from Debian 12.

They hold nothing of what is under test. Cached by content: the key is a hash of the recipe (this file and recipe/) and
of the versions of the packages, so that a change of our code rebuilds nothing.
"""

import hashlib
import lzma
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.xenlab import tools

RECIPE = Path(__file__).with_name("recipe")
ROOT_PACKAGES = (
    "python3",
    "xen-utils-4.17",
    "xenstore-utils",
    "kmod",
    "procps",
    "busybox-static",
)
HYPERVISOR_PACKAGE = "xen-hypervisor-4.17-amd64"
ROOT_MODULES = (
    *(f"drivers/xen/{name}" for name in ("xen-gntdev", "xenfs/xenfs", "xen-gntalloc", "xen-privcmd", "xen-evtchn")),
    *(
        "drivers/block/xen-blkback/xen-blkback",
        "drivers/block/loop",
        "drivers/block/zram/zram",
        "mm/zsmalloc",
        "drivers/block/zram/zsmalloc",
    ),
    *("net/9p/9pnet", "net/9p/9pnet_virtio", "fs/9p/9p", "fs/fscache/fscache", "fs/netfs/netfs"),
)
# In the order they are loaded: virtio_ring must come before virtio.
INITRAMFS_MODULES = (
    *(f"drivers/virtio/{name}" for name in ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev")),
    *("drivers/virtio/virtio_pci", "drivers/block/virtio_blk", "drivers/block/xen-blkfront"),
    *("crypto/crc32c_generic", "lib/libcrc32c", "lib/crc16", "fs/mbcache", "fs/jbd2/jbd2", "fs/ext4/ext4"),
)
# Where the root disk carries what guests read to fill their page cache.
CACHE_FILE = "var/lib/lab-cache"
CACHE_FILE_MIB = 128
ROOT_IMAGE_MIB = 640


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Paths of one built set."""

    xen: Path
    kernel: Path
    initramfs: Path
    root: Path


def ensure_images(cache: Path) -> Images:
    """The images for the recipe as it stands, built where they are missing.

    Raises Unavailable where this machine cannot build them, LabError where building failed.
    """
    key = recipe_key()
    folder = cache / "images" / key
    images = Images(
        xen=folder / "xen", kernel=folder / "vmlinux", initramfs=folder / "initrd.gz", root=folder / "root.ext4"
    )
    if folder.is_dir():
        return images
    tools.ensure_tools(tools.BUILD_TOOLS)
    if os.geteuid() != 0:
        raise tools.Unavailable("the first build of the lab's images needs root (mmdebstrap); later runs do not")
    folder.parent.mkdir(parents=True, exist_ok=True)
    for stale in folder.parent.iterdir():
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as name:
        building = Path(name)
        _build(building)
        target = building / "images"
        target.mkdir()
        for image in ("xen", "vmlinux", "initrd.gz", "root.ext4"):
            (building / image).rename(target / image)
        target.rename(folder)
    return images


def recipe_key() -> str:
    """A hash of everything the images are made of."""
    digest = hashlib.sha256()
    for file in sorted([Path(__file__), *RECIPE.iterdir()]):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    if shutil.which("apt-cache"):
        digest.update(_package_versions())
    return digest.hexdigest()[:16]


def _package_versions() -> bytes:
    shown = tools.run("apt-cache", "show", "--no-all-versions", HYPERVISOR_PACKAGE, "linux-image-amd64", *ROOT_PACKAGES)
    return b"\n".join(line for line in shown.splitlines() if line.startswith((b"Package:", b"Version:")))


def _kernel_package() -> str:
    depends = tools.run("apt-cache", "depends", "linux-image-amd64").decode()
    return next(
        line.split()[-1] for line in depends.splitlines() if line.lstrip("| ").startswith("Depends: linux-image-")
    )


def _unpack(package: str, into: Path) -> Path:
    """Download a package and unpack it, without installing it."""
    into.mkdir()
    tools.run("apt-get", "download", package, cwd=into)
    unpacked = into / "unpacked"
    tools.run("dpkg-deb", "-x", next(into.glob("*.deb")), unpacked)
    return unpacked


def _build(building: Path) -> None:
    # QEMU's multiboot loader wants the hypervisor uncompressed.
    hypervisor = _unpack(HYPERVISOR_PACKAGE, building / "hypervisor")
    (building / "xen").write_bytes(tools.run("gunzip", "-c", hypervisor / "boot/xen-4.17-amd64.gz"))
    kernel = _unpack(_kernel_package(), building / "kernel")
    # The kernel is unpacked here, once: under emulation every guest start would spend seconds on it.
    image = next((kernel / "boot").glob("vmlinuz-*")).read_bytes()
    xz = image.index(b"\xfd7zXZ\x00")
    (building / "vmlinux").write_bytes(lzma.LZMADecompressor().decompress(image[xz:]))
    modules = next((kernel / "lib/modules").iterdir())

    root = building / "root"
    tools.run(
        "mmdebstrap", "--variant=minbase", f"--include={','.join(ROOT_PACKAGES)}", "bookworm", root, timeout_s=1200
    )
    _install_modules(modules, root)
    _make_initramfs(modules, root, building)
    shutil.copy(building / "vmlinux", root / "boot/vmlinux")
    shutil.copy(building / "initrd.gz", root / "boot/initrd.gz")
    for name in ("lab-init", "dom0", "guest"):
        target = root / "sbin" / (name if name == "lab-init" else f"lab-{name}")
        shutil.copy(RECIPE / name, target)
        target.chmod(0o755)
    shutil.copy(RECIPE / "block-fixed", root / "etc/xen/scripts/block-fixed")
    (root / "etc/xen/scripts/block-fixed").chmod(0o755)
    (root / "etc/xen/xl.conf").write_text('autoballoon="off"\nclaim_mode=1\n')
    (root / CACHE_FILE).write_bytes(os.urandom(CACHE_FILE_MIB << 20))
    for folder in ("var/lib/xen", "app", "lab"):
        (root / folder).mkdir(exist_ok=True)
    # What a package installs stands on the disk under test, which is mounted at /app.
    (root / "usr/lib/aerostat").symlink_to("/app/usr/lib/aerostat")
    (root / "etc/aerostat").symlink_to("/app/etc/aerostat")
    for command in ("aerostat-agent", "aerostatd", "aerostat"):
        (root / "usr/bin" / command).symlink_to(f"/app/usr/bin/{command}")
    for useless in ("var/cache/apt", "var/lib/apt", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(root / useless)
    make_disk(root, building / "root.ext4", ROOT_IMAGE_MIB)


def _install_modules(modules: Path, root: Path) -> None:
    target = root / "lib/modules" / modules.name
    shutil.rmtree(root / "lib/modules", ignore_errors=True)
    for module in ROOT_MODULES:
        source = modules / "kernel" / f"{module}.ko"
        if source.exists():  # some are built in, or stand elsewhere, in other kernels of the same release
            (target / "kernel" / module).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / "kernel" / f"{module}.ko")
    for index in [*modules.glob("modules.builtin*"), modules / "modules.order"]:
        shutil.copy(index, target / index.name)
    tools.run("depmod", "-b", root, modules.name)


def _make_initramfs(modules: Path, root: Path, building: Path) -> None:
    tree = building / "initramfs"
    for folder in ("bin", "mod", "proc", "sys", "dev", "new"):
        (tree / folder).mkdir(parents=True)
    shutil.copy(root / "bin/busybox", tree / "bin/busybox")
    present = [name for name in INITRAMFS_MODULES if (modules / "kernel" / f"{name}.ko").exists()]
    for name in present:
        shutil.copy(modules / "kernel" / f"{name}.ko", tree / "mod")
    (tree / "order").write_text("".join(f"{Path(name).name}\n" for name in present))
    shutil.copy(RECIPE / "initramfs-init", tree / "init")
    (tree / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*"))).encode()
    archive = tools.run("cpio", "-o", "-H", "newc", "--quiet", cwd=tree, stdin=names)
    (building / "initrd.gz").write_bytes(tools.run("gzip", "-1", stdin=archive))


def make_disk(tree: Path, disk: Path, size_mib: int) -> None:
    """An ext4 file system without a journal that holds a folder's content."""
    disk.unlink(missing_ok=True)
    tools.run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", tree, disk, f"{size_mib}M")
