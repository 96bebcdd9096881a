// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * A stateful H.264 encoder for tests (kernel module), on the kernel's memory-to-memory framework: what the kernel has of the
 * kind makes FWHT, which no browser plays.
 *
 * It codes without loss, so that a decoder's pictures can be compared with the camera's bit by bit: macroblocks of an IDR
 * picture are I_PCM, those of other pictures too unless nothing has changed in them (P_Skip). Sizes are rounded up to 16 and
 * lines to 64 bytes like those of real encoders, the rest is cropped.
 *
 * Parameters of the module, to be changed while it runs:
 *   drop_every=N   every Nth picture is swallowed: its buffer comes back, nothing else
 *   fail_every=N   every Nth picture comes back with the error flag
 *   empty_every=N  every Nth picture comes out without bytes
 *   stall=1        takes pictures and gives nothing
 *   fatal=1        both queues report an error, until they are started again
 *   refuse=1       pictures in other drivers' buffers are refused
 *   closed=1       open() says EBUSY
 *   delay_ms=N     time for a picture
 *   keyframes      (to be read) IDR pictures made on request
 *   imported       (to be read) pictures taken from other drivers' buffers
 *   mplane=1       (when loaded) the multi-planar interface
 * Driver gone: echo m2m-h264.0 >/sys/bus/platform/drivers/m2m-h264/unbind, and bind.
 */
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <media/v4l2-ctrls.h>
#include <media/v4l2-device.h>
#include <media/v4l2-event.h>
#include <media/v4l2-ioctl.h>
#include <media/v4l2-mem2mem.h>
#include <media/videobuf2-vmalloc.h>

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("lossless H.264 encoder for tests");

#define NAME "m2m-h264"
#define MAX_W 1920
#define MAX_H 1088

static uint drop_every, fail_every, empty_every, delay_ms = 5, keyframes, imported;
static bool stall, fatal, refuse, closed, mplane;
module_param(drop_every, uint, 0644);
module_param(fail_every, uint, 0644);
module_param(empty_every, uint, 0644);
module_param(delay_ms, uint, 0644);
module_param(keyframes, uint, 0644);
module_param(imported, uint, 0644);
module_param(stall, bool, 0644);
module_param(fatal, bool, 0644);
module_param(refuse, bool, 0644);
module_param(closed, bool, 0644);
module_param(mplane, bool, 0444);

static const u32 raw_formats[] = { V4L2_PIX_FMT_NV12, V4L2_PIX_FMT_YUV420, V4L2_PIX_FMT_YUYV };

struct encoder {
	struct v4l2_device v4l2_dev;
	struct video_device vfd;
	struct v4l2_m2m_dev *m2m;
	struct mutex lock;
};

struct context {
	struct v4l2_fh fh;
	struct encoder *dev;
	struct v4l2_ctrl_handler controls;
	struct delayed_work work;
	u32 raw, width, height;		/* as rounded */
	u32 crop_w, crop_h, line, room;	/* room: bytes of a coded picture */
	u32 gop, since_idr, frame_num, idr_id, pictures;
	u32 raw_sequence, coded_sequence;
	bool force, has_ref;
	u8 *now, *ref;			/* I420 without gaps */
};

static struct context *context_of(struct file *file)
{
	return container_of(file->private_data, struct context, fh);
}

static u32 raw_size(const struct context *c)
{
	return c->raw == V4L2_PIX_FMT_YUYV ? c->line * c->height : c->line * c->height * 3 / 2;
}

/* ------------------------------------------------------------- bit stream -- */

struct bits {
	u8 *out;
	u32 size, used;
	u32 zeros;		/* zero bytes before this one, for emulation prevention */
	u8 byte, count;
	bool full;
};

static void raw_byte(struct bits *b, u8 byte)
{
	if (b->used < b->size)
		b->out[b->used++] = byte;
	else
		b->full = true;
}

static void put_byte(struct bits *b, u8 byte)
{
	if (b->zeros == 2 && byte <= 3) {
		raw_byte(b, 3);
		b->zeros = 0;
	}
	raw_byte(b, byte);
	b->zeros = byte ? 0 : b->zeros + 1;
}

static void put(struct bits *b, u32 count, u32 value)
{
	while (count--) {
		b->byte = b->byte << 1 | ((value >> count) & 1);
		if (++b->count == 8) {
			put_byte(b, b->byte);
			b->byte = b->count = 0;
		}
	}
}

static void ue(struct bits *b, u32 value)
{
	u32 length = fls(value + 1);

	put(b, length - 1, 0);
	put(b, length, value + 1);
}

static void align_zero(struct bits *b)
{
	while (b->count)
		put(b, 1, 0);
}

static void begin_nal(struct bits *b, u8 header)
{
	raw_byte(b, 0);
	raw_byte(b, 0);
	raw_byte(b, 0);
	raw_byte(b, 1);
	raw_byte(b, header);
	b->zeros = 0;
}

static void end_nal(struct bits *b)
{
	put(b, 1, 1);
	align_zero(b);
}

static void parameter_sets(struct context *c, struct bits *b)
{
	u32 right = (c->width - c->crop_w) / 2, bottom = (c->height - c->crop_h) / 2;

	begin_nal(b, 0x67);
	put(b, 8, 66);			/* baseline */
	put(b, 8, 0xc0);		/* constrained */
	put(b, 8, 40);
	ue(b, 0);			/* id */
	ue(b, 4);			/* log2_max_frame_num - 4 */
	ue(b, 2);			/* order of output is that of decoding */
	ue(b, 1);			/* one reference picture */
	put(b, 1, 0);
	ue(b, c->width / 16 - 1);
	ue(b, c->height / 16 - 1);
	put(b, 2, 3);			/* frames only, direct_8x8 */
	put(b, 1, right || bottom);
	if (right || bottom) {
		ue(b, 0);
		ue(b, right);
		ue(b, 0);
		ue(b, bottom);
	}
	put(b, 1, 0);			/* no VUI */
	end_nal(b);

	begin_nal(b, 0x68);
	ue(b, 0);
	ue(b, 0);
	put(b, 2, 0);			/* CAVLC, order */
	ue(b, 0);			/* slice groups */
	ue(b, 0);
	ue(b, 0);
	put(b, 3, 0);			/* no weights */
	ue(b, 0);
	ue(b, 0);
	ue(b, 0);			/* three signed zeros */
	put(b, 3, 4);			/* deblocking_filter_control_present */
	end_nal(b);
}

static void block(struct context *c, struct bits *b, u32 x, u32 y)
{
	const u8 *luma = c->now + y * 16 * c->width + x * 16;
	const u8 *chroma = c->now + c->width * c->height + y * 8 * (c->width / 2) + x * 8;
	u32 line, i, plane;

	align_zero(b);
	for (line = 0; line < 16; line++)
		for (i = 0; i < 16; i++)
			put_byte(b, luma[line * c->width + i]);
	for (plane = 0; plane < 2; plane++, chroma += c->width * c->height / 4)
		for (line = 0; line < 8; line++)
			for (i = 0; i < 8; i++)
				put_byte(b, chroma[line * (c->width / 2) + i]);
}

static bool is_same(struct context *c, u32 x, u32 y)
{
	u32 line, plane, luma = y * 16 * c->width + x * 16;
	u32 chroma = c->width * c->height + y * 8 * (c->width / 2) + x * 8;

	for (line = 0; line < 16; line++)
		if (memcmp(c->now + luma + line * c->width, c->ref + luma + line * c->width, 16))
			return false;
	for (plane = 0; plane < 2; plane++, chroma += c->width * c->height / 4)
		for (line = 0; line < 8; line++)
			if (memcmp(c->now + chroma + line * (c->width / 2), c->ref + chroma + line * (c->width / 2), 8))
				return false;
	return true;
}

/* One picture, one slice. Returns the bytes, 0 if they do not fit. */
static u32 encode(struct context *c, u8 *out, u32 size, bool idr)
{
	struct bits b = { .out = out, .size = size };
	u32 x, y, skipped = 0;

	if (idr) {
		parameter_sets(c, &b);
		c->frame_num = 0;
		c->since_idr = 0;
	}
	begin_nal(&b, idr ? 0x65 : 0x41);
	ue(&b, 0);
	ue(&b, idr ? 7 : 5);
	ue(&b, 0);
	put(&b, 8, c->frame_num & 255);
	if (idr)
		ue(&b, c->idr_id++ & 1);
	else
		put(&b, 2, 0);		/* no override, no reordering */
	put(&b, idr ? 2 : 1, 0);	/* marking of references: the plain one */
	ue(&b, 0);			/* quantiser */
	ue(&b, 1);			/* no deblocking */
	for (y = 0; y < c->height / 16; y++) {
		for (x = 0; x < c->width / 16; x++) {
			if (!idr && is_same(c, x, y)) {
				skipped++;
				continue;
			}
			if (!idr)
				ue(&b, skipped);
			skipped = 0;
			ue(&b, idr ? 25 : 30);
			block(c, &b, x, y);
		}
	}
	if (skipped)
		ue(&b, skipped);
	end_nal(&b);
	c->frame_num++;
	c->since_idr++;
	swap(c->now, c->ref);
	c->has_ref = true;
	return b.full ? 0 : b.used;
}

/* To I420 without gaps; of YUYV the colours of every other line. */
static void unpack(struct context *c, const u8 *in)
{
	u32 x, y, half = c->width / 2, luma = c->width * c->height;
	u8 *u = c->now + luma, *v = u + luma / 4;

	for (y = 0; y < c->height; y++) {
		const u8 *line = in + y * c->line;

		if (c->raw != V4L2_PIX_FMT_YUYV) {
			memcpy(c->now + y * c->width, line, c->width);
			continue;
		}
		for (x = 0; x < c->width; x++)
			c->now[y * c->width + x] = line[2 * x];
		for (x = 0; x < half && !(y & 1); x++) {
			u[y / 2 * half + x] = line[4 * x + 1];
			v[y / 2 * half + x] = line[4 * x + 3];
		}
	}
	in += c->line * c->height;
	for (y = 0; y < c->height / 2; y++) {
		if (c->raw == V4L2_PIX_FMT_YUV420) {
			memcpy(u + y * half, in + y * (c->line / 2), half);
			memcpy(v + y * half, in + c->line * c->height / 4 + y * (c->line / 2), half);
		} else if (c->raw == V4L2_PIX_FMT_NV12) {
			for (x = 0; x < half; x++) {
				u[y * half + x] = in[y * c->line + 2 * x];
				v[y * half + x] = in[y * c->line + 2 * x + 1];
			}
		}
	}
}

/* --------------------------------------------------------------- the work -- */

static bool is_turn(struct context *c, u32 every)
{
	return every && c->pictures % every == 0;
}

static void work(struct work_struct *item)
{
	struct context *c = container_of(item, struct context, work.work);
	struct v4l2_m2m_ctx *m2m = c->fh.m2m_ctx;
	struct vb2_v4l2_buffer *raw = v4l2_m2m_next_src_buf(m2m), *coded;
	enum vb2_buffer_state state = VB2_BUF_STATE_DONE;
	bool idr = false, has_picture = false;
	u32 used = 0;

	if (!raw)
		goto finish;
	raw->sequence = c->raw_sequence++;
	if (fatal) {
		vb2_queue_error(v4l2_m2m_get_vq(m2m, mplane ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT));
		vb2_queue_error(v4l2_m2m_get_vq(m2m, mplane ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE));
		v4l2_m2m_buf_done(v4l2_m2m_src_buf_remove(m2m), VB2_BUF_STATE_ERROR);
		goto finish;
	}
	c->pictures++;
	if ((stall || is_turn(c, drop_every)) && !v4l2_m2m_is_last_draining_src_buf(m2m, raw)) {
		v4l2_m2m_buf_done(v4l2_m2m_src_buf_remove(m2m), VB2_BUF_STATE_DONE);
		goto finish;
	}
	coded = v4l2_m2m_dst_buf_remove(m2m);
	if (!coded) {
		v4l2_m2m_buf_done(v4l2_m2m_src_buf_remove(m2m), VB2_BUF_STATE_ERROR);
		goto finish;
	}
	if (raw->vb2_buf.memory == VB2_MEMORY_DMABUF)
		imported++;
	if (is_turn(c, fail_every)) {
		state = VB2_BUF_STATE_ERROR;
	} else if (!is_turn(c, empty_every)) {
		if (c->force)
			keyframes++;
		idr = c->force || !c->has_ref || (c->gop && c->since_idr >= c->gop);
		c->force = false;
		unpack(c, vb2_plane_vaddr(&raw->vb2_buf, 0));
		used = encode(c, vb2_plane_vaddr(&coded->vb2_buf, 0), vb2_plane_size(&coded->vb2_buf, 0), idr);
		has_picture = used > 0;
		state = has_picture ? VB2_BUF_STATE_DONE : VB2_BUF_STATE_ERROR;
	}
	vb2_set_plane_payload(&coded->vb2_buf, 0, used);
	v4l2_m2m_buf_copy_metadata(raw, coded, true);
	coded->sequence = c->coded_sequence++;
	coded->flags &= ~(V4L2_BUF_FLAG_KEYFRAME | V4L2_BUF_FLAG_PFRAME | V4L2_BUF_FLAG_LAST);
	if (has_picture)
		coded->flags |= idr ? V4L2_BUF_FLAG_KEYFRAME : V4L2_BUF_FLAG_PFRAME;
	/* Only now: the picture is in the queue for as long as it is worked at, so that a drain waits for it. */
	if (v4l2_m2m_is_last_draining_src_buf(m2m, raw)) {
		static const struct v4l2_event end = { .type = V4L2_EVENT_EOS };

		coded->flags |= V4L2_BUF_FLAG_LAST;
		v4l2_event_queue_fh(&c->fh, &end);
		v4l2_m2m_mark_stopped(m2m);
	}
	v4l2_m2m_buf_done(v4l2_m2m_src_buf_remove(m2m), state);
	v4l2_m2m_buf_done(coded, state);
finish:
	v4l2_m2m_job_finish(c->dev->m2m, m2m);
}

static void device_run(void *priv)
{
	struct context *c = priv;

	schedule_delayed_work(&c->work, msecs_to_jiffies(delay_ms));
}

static const struct v4l2_m2m_ops m2m_ops = { .device_run = device_run };

/* ----------------------------------------------------------------- queues -- */

static int queue_setup(struct vb2_queue *q, unsigned int *buffers, unsigned int *planes, unsigned int sizes[],
		       struct device *devs[])
{
	struct context *c = vb2_get_drv_priv(q);
	u32 size = V4L2_TYPE_IS_OUTPUT(q->type) ? raw_size(c) : c->room;

	if (*planes)
		return sizes[0] < size ? -EINVAL : 0;
	*planes = 1;
	sizes[0] = size;
	return 0;
}

static int buf_out_validate(struct vb2_buffer *vb)
{
	to_vb2_v4l2_buffer(vb)->field = V4L2_FIELD_NONE;
	return 0;
}

static int buf_prepare(struct vb2_buffer *vb)
{
	struct context *c = vb2_get_drv_priv(vb->vb2_queue);
	bool is_raw = V4L2_TYPE_IS_OUTPUT(vb->vb2_queue->type);

	if (vb2_plane_size(vb, 0) < (is_raw ? raw_size(c) : c->room))
		return -EINVAL;
	return is_raw && refuse && vb->memory == VB2_MEMORY_DMABUF ? -EFAULT : 0;
}

static void buf_queue(struct vb2_buffer *vb)
{
	struct context *c = vb2_get_drv_priv(vb->vb2_queue);

	v4l2_m2m_buf_queue(c->fh.m2m_ctx, to_vb2_v4l2_buffer(vb));
}

static int start_streaming(struct vb2_queue *q, unsigned int count)
{
	struct context *c = vb2_get_drv_priv(q);

	v4l2_m2m_update_start_streaming_state(c->fh.m2m_ctx, q);
	c->has_ref = false;
	return 0;
}

static void stop_streaming(struct vb2_queue *q)
{
	struct context *c = vb2_get_drv_priv(q);
	struct vb2_v4l2_buffer *buffer;

	while ((buffer = V4L2_TYPE_IS_OUTPUT(q->type) ? v4l2_m2m_src_buf_remove(c->fh.m2m_ctx) :
							v4l2_m2m_dst_buf_remove(c->fh.m2m_ctx)))
		v4l2_m2m_buf_done(buffer, VB2_BUF_STATE_ERROR);
	v4l2_m2m_update_stop_streaming_state(c->fh.m2m_ctx, q);
}

static const struct vb2_ops queue_ops = {
	.queue_setup = queue_setup,
	.buf_out_validate = buf_out_validate,
	.buf_prepare = buf_prepare,
	.buf_queue = buf_queue,
	.start_streaming = start_streaming,
	.stop_streaming = stop_streaming,
	.wait_prepare = vb2_ops_wait_prepare,
	.wait_finish = vb2_ops_wait_finish,
};

static int queue_init(void *priv, struct vb2_queue *raw, struct vb2_queue *coded)
{
	struct context *c = priv;
	struct vb2_queue *queues[] = { raw, coded };
	int i, error = 0;

	for (i = 0; i < 2 && !error; i++) {
		struct vb2_queue *q = queues[i];

		q->type = i ? (mplane ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE) :
			      (mplane ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT);
		q->io_modes = VB2_MMAP | VB2_DMABUF;
		q->drv_priv = c;
		q->buf_struct_size = sizeof(struct v4l2_m2m_buffer);
		q->ops = &queue_ops;
		q->mem_ops = &vb2_vmalloc_memops;
		q->timestamp_flags = V4L2_BUF_FLAG_TIMESTAMP_COPY;
		q->lock = &c->dev->lock;
		error = vb2_queue_init(q);
	}
	return error;
}

/* ----------------------------------------------------------------- ioctls -- */

static int querycap(struct file *file, void *priv, struct v4l2_capability *cap)
{
	strscpy(cap->driver, NAME, sizeof(cap->driver));
	strscpy(cap->card, "test encoder", sizeof(cap->card));
	strscpy(cap->bus_info, "platform:" NAME, sizeof(cap->bus_info));
	return 0;
}

static int enum_raw(struct file *file, void *priv, struct v4l2_fmtdesc *f)
{
	if (f->index >= ARRAY_SIZE(raw_formats))
		return -EINVAL;
	f->pixelformat = raw_formats[f->index];
	return 0;
}

static int enum_coded(struct file *file, void *priv, struct v4l2_fmtdesc *f)
{
	if (f->index)
		return -EINVAL;
	f->pixelformat = V4L2_PIX_FMT_H264;
	return 0;
}

static int enum_sizes(struct file *file, void *priv, struct v4l2_frmsizeenum *f)
{
	if (f->index)
		return -EINVAL;
	f->type = V4L2_FRMSIZE_TYPE_STEPWISE;
	f->stepwise = (struct v4l2_frmsize_stepwise){ 32, MAX_W, 2, 32, MAX_H, 2 };
	return 0;
}

static void describe(struct context *c, struct v4l2_format *f)
{
	bool is_raw = V4L2_TYPE_IS_OUTPUT(f->type);
	u32 format = is_raw ? c->raw : V4L2_PIX_FMT_H264, line = is_raw ? c->line : 0;
	u32 size = is_raw ? raw_size(c) : c->room;

	if (mplane) {
		struct v4l2_pix_format_mplane *pix = &f->fmt.pix_mp;

		memset(pix, 0, sizeof(*pix));
		pix->width = c->width;
		pix->height = c->height;
		pix->pixelformat = format;
		pix->field = V4L2_FIELD_NONE;
		pix->num_planes = 1;
		pix->plane_fmt[0].bytesperline = line;
		pix->plane_fmt[0].sizeimage = size;
	} else {
		struct v4l2_pix_format *pix = &f->fmt.pix;

		memset(pix, 0, sizeof(*pix));
		pix->width = c->width;
		pix->height = c->height;
		pix->pixelformat = format;
		pix->field = V4L2_FIELD_NONE;
		pix->bytesperline = line;
		pix->sizeimage = size;
	}
}

static int g_fmt(struct file *file, void *priv, struct v4l2_format *f)
{
	describe(context_of(file), f);
	return 0;
}

static int s_fmt(struct file *file, void *priv, struct v4l2_format *f)
{
	struct context *c = context_of(file);
	u32 i, width, height, format, line, size;

	if (vb2_is_busy(v4l2_m2m_get_vq(c->fh.m2m_ctx, f->type)))
		return -EBUSY;
	if (mplane) {
		width = f->fmt.pix_mp.width;
		height = f->fmt.pix_mp.height;
		format = f->fmt.pix_mp.pixelformat;
		line = f->fmt.pix_mp.plane_fmt[0].bytesperline;
		size = f->fmt.pix_mp.plane_fmt[0].sizeimage;
	} else {
		width = f->fmt.pix.width;
		height = f->fmt.pix.height;
		format = f->fmt.pix.pixelformat;
		line = f->fmt.pix.bytesperline;
		size = f->fmt.pix.sizeimage;
	}
	if (!V4L2_TYPE_IS_OUTPUT(f->type)) {
		c->room = clamp_t(u32, size, 64 * 1024, 8 * 1024 * 1024);
	} else {
		c->raw = raw_formats[0];
		for (i = 0; i < ARRAY_SIZE(raw_formats); i++)
			if (raw_formats[i] == format)
				c->raw = format;
		c->width = clamp_t(u32, ALIGN(width, 16), 32, MAX_W);
		c->height = clamp_t(u32, ALIGN(height, 16), 32, MAX_H);
		c->crop_w = c->width;
		c->crop_h = c->height;
		i = c->width * (c->raw == V4L2_PIX_FMT_YUYV ? 2 : 1);
		c->line = ALIGN(clamp_t(u32, line, i, 4 * MAX_W), 64);
	}
	describe(c, f);
	return 0;
}

static int g_selection(struct file *file, void *priv, struct v4l2_selection *s)
{
	struct context *c = context_of(file);

	if (s->type != V4L2_BUF_TYPE_VIDEO_OUTPUT)
		return -EINVAL;
	s->r = (struct v4l2_rect){ 0, 0, c->width, c->height };
	if (s->target == V4L2_SEL_TGT_CROP)
		s->r = (struct v4l2_rect){ 0, 0, c->crop_w, c->crop_h };
	return 0;
}

static int s_selection(struct file *file, void *priv, struct v4l2_selection *s)
{
	struct context *c = context_of(file);

	if (s->type != V4L2_BUF_TYPE_VIDEO_OUTPUT || s->target != V4L2_SEL_TGT_CROP)
		return -EINVAL;
	c->crop_w = clamp_t(u32, s->r.width & ~1, c->width - 14, c->width);
	c->crop_h = clamp_t(u32, s->r.height & ~1, c->height - 14, c->height);
	return g_selection(file, priv, s);
}

static int s_parm(struct file *file, void *priv, struct v4l2_streamparm *p)
{
	if (!V4L2_TYPE_IS_OUTPUT(p->type) || !p->parm.output.timeperframe.denominator)
		return -EINVAL;
	p->parm.output.capability = V4L2_CAP_TIMEPERFRAME;
	return 0;
}

static int subscribe(struct v4l2_fh *fh, const struct v4l2_event_subscription *sub)
{
	return sub->type == V4L2_EVENT_EOS ? v4l2_event_subscribe(fh, sub, 0, NULL) : -EINVAL;
}

static int encoder_cmd(struct file *file, void *priv, struct v4l2_encoder_cmd *command)
{
	struct context *c = context_of(file);
	int error = v4l2_m2m_ioctl_encoder_cmd(file, priv, command);

	if (!error && command->cmd == V4L2_ENC_CMD_START && v4l2_m2m_has_stopped(c->fh.m2m_ctx))
		vb2_clear_last_buffer_dequeued(&c->fh.m2m_ctx->cap_q_ctx.q);
	return error;
}

static const struct v4l2_ioctl_ops ioctl_ops = {
	.vidioc_querycap = querycap,
	.vidioc_enum_fmt_vid_out = enum_raw,
	.vidioc_enum_fmt_vid_cap = enum_coded,
	.vidioc_enum_framesizes = enum_sizes,
	.vidioc_g_fmt_vid_out = g_fmt,
	.vidioc_s_fmt_vid_out = s_fmt,
	.vidioc_g_fmt_vid_cap = g_fmt,
	.vidioc_s_fmt_vid_cap = s_fmt,
	.vidioc_g_fmt_vid_out_mplane = g_fmt,
	.vidioc_s_fmt_vid_out_mplane = s_fmt,
	.vidioc_g_fmt_vid_cap_mplane = g_fmt,
	.vidioc_s_fmt_vid_cap_mplane = s_fmt,
	.vidioc_g_selection = g_selection,
	.vidioc_s_selection = s_selection,
	.vidioc_s_parm = s_parm,
	.vidioc_reqbufs = v4l2_m2m_ioctl_reqbufs,
	.vidioc_querybuf = v4l2_m2m_ioctl_querybuf,
	.vidioc_qbuf = v4l2_m2m_ioctl_qbuf,
	.vidioc_dqbuf = v4l2_m2m_ioctl_dqbuf,
	.vidioc_expbuf = v4l2_m2m_ioctl_expbuf,
	.vidioc_streamon = v4l2_m2m_ioctl_streamon,
	.vidioc_streamoff = v4l2_m2m_ioctl_streamoff,
	.vidioc_encoder_cmd = encoder_cmd,
	.vidioc_try_encoder_cmd = v4l2_m2m_ioctl_try_encoder_cmd,
	.vidioc_subscribe_event = subscribe,
	.vidioc_unsubscribe_event = v4l2_event_unsubscribe,
};

/* ------------------------------------------------------------------ files -- */

static int s_ctrl(struct v4l2_ctrl *control)
{
	struct context *c = container_of(control->handler, struct context, controls);

	if (control->id == V4L2_CID_MPEG_VIDEO_GOP_SIZE)
		c->gop = control->val;
	if (control->id == V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME)
		c->force = true;
	return 0;
}

static const struct v4l2_ctrl_ops ctrl_ops = { .s_ctrl = s_ctrl };

static int enc_open(struct file *file)
{
	struct encoder *dev = video_drvdata(file);
	struct context *c;

	if (closed)
		return -EBUSY;
	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	c->now = vzalloc(MAX_W * MAX_H * 3 / 2);
	c->ref = vzalloc(MAX_W * MAX_H * 3 / 2);
	c->dev = dev;
	c->raw = raw_formats[0];
	c->width = c->crop_w = c->line = 640;
	c->height = c->crop_h = 480;
	c->room = 512 * 1024;
	INIT_DELAYED_WORK(&c->work, work);
	v4l2_fh_init(&c->fh, &dev->vfd);
	v4l2_ctrl_handler_init(&c->controls, 6);
	v4l2_ctrl_new_std(&c->controls, &ctrl_ops, V4L2_CID_MPEG_VIDEO_BITRATE, 25000, 25000000, 25000, 10000000);
	v4l2_ctrl_new_std(&c->controls, &ctrl_ops, V4L2_CID_MPEG_VIDEO_GOP_SIZE, 0, 1000, 1, 60);
	v4l2_ctrl_new_std(&c->controls, &ctrl_ops, V4L2_CID_MPEG_VIDEO_B_FRAMES, 0, 2, 1, 0);
	v4l2_ctrl_new_std(&c->controls, &ctrl_ops, V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, 0, 1, 1, 0);
	v4l2_ctrl_new_std(&c->controls, &ctrl_ops, V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME, 0, 0, 0, 0);
	v4l2_ctrl_new_std_menu(&c->controls, &ctrl_ops, V4L2_CID_MPEG_VIDEO_H264_LEVEL, V4L2_MPEG_VIDEO_H264_LEVEL_4_2, 0,
			       V4L2_MPEG_VIDEO_H264_LEVEL_4_0);
	c->fh.ctrl_handler = &c->controls;
	c->fh.m2m_ctx = v4l2_m2m_ctx_init(dev->m2m, c, queue_init);
	if (!c->now || !c->ref || c->controls.error || IS_ERR(c->fh.m2m_ctx)) {
		if (!IS_ERR(c->fh.m2m_ctx))
			v4l2_m2m_ctx_release(c->fh.m2m_ctx);
		v4l2_ctrl_handler_free(&c->controls);
		v4l2_fh_exit(&c->fh);
		vfree(c->now);
		vfree(c->ref);
		kfree(c);
		return -ENOMEM;
	}
	v4l2_ctrl_handler_setup(&c->controls);
	c->force = false;
	file->private_data = &c->fh;
	v4l2_fh_add(&c->fh);
	return 0;
}

static int enc_release(struct file *file)
{
	struct context *c = context_of(file);

	v4l2_fh_del(&c->fh);
	mutex_lock(&c->dev->lock);
	v4l2_m2m_ctx_release(c->fh.m2m_ctx);
	mutex_unlock(&c->dev->lock);
	cancel_delayed_work_sync(&c->work);
	v4l2_ctrl_handler_free(&c->controls);
	v4l2_fh_exit(&c->fh);
	vfree(c->now);
	vfree(c->ref);
	kfree(c);
	return 0;
}

static const struct v4l2_file_operations file_ops = {
	.owner = THIS_MODULE,
	.open = enc_open,
	.release = enc_release,
	.poll = v4l2_m2m_fop_poll,
	.mmap = v4l2_m2m_fop_mmap,
	.unlocked_ioctl = video_ioctl2,
};

/* ----------------------------------------------------------------- device -- */

/* The last user is gone: the device may be, long since. */
static void last_release(struct video_device *vfd)
{
	struct encoder *dev = container_of(vfd, struct encoder, vfd);

	v4l2_m2m_release(dev->m2m);
	v4l2_device_unregister(&dev->v4l2_dev);
	kfree(dev);
}

static int probe(struct platform_device *pdev)
{
	struct encoder *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int error;

	if (!dev)
		return -ENOMEM;
	mutex_init(&dev->lock);
	error = v4l2_device_register(&pdev->dev, &dev->v4l2_dev);
	if (error)
		goto free;
	dev->m2m = v4l2_m2m_init(&m2m_ops);
	if (IS_ERR(dev->m2m)) {
		error = PTR_ERR(dev->m2m);
		goto unregister;
	}
	strscpy(dev->vfd.name, "test encoder", sizeof(dev->vfd.name));
	dev->vfd.v4l2_dev = &dev->v4l2_dev;
	dev->vfd.fops = &file_ops;
	dev->vfd.ioctl_ops = &ioctl_ops;
	dev->vfd.release = last_release;
	dev->vfd.vfl_dir = VFL_DIR_M2M;
	dev->vfd.lock = &dev->lock;
	dev->vfd.device_caps = V4L2_CAP_STREAMING | (mplane ? V4L2_CAP_VIDEO_M2M_MPLANE : V4L2_CAP_VIDEO_M2M);
	video_set_drvdata(&dev->vfd, dev);
	platform_set_drvdata(pdev, dev);
	error = video_register_device(&dev->vfd, VFL_TYPE_VIDEO, -1);
	if (!error)
		return 0;
	v4l2_m2m_release(dev->m2m);
unregister:
	v4l2_device_unregister(&dev->v4l2_dev);
free:
	kfree(dev);
	return error;
}

static int remove(struct platform_device *pdev)
{
	struct encoder *dev = platform_get_drvdata(pdev);

	v4l2_device_disconnect(&dev->v4l2_dev);
	video_unregister_device(&dev->vfd);
	return 0;
}

static struct platform_driver driver = { .probe = probe, .remove = remove, .driver = { .name = NAME } };
static struct platform_device *device;

static int __init start(void)
{
	int error = platform_driver_register(&driver);

	if (error)
		return error;
	device = platform_device_register_simple(NAME, 0, NULL, 0);
	if (IS_ERR(device)) {
		platform_driver_unregister(&driver);
		return PTR_ERR(device);
	}
	return 0;
}

static void __exit end(void)
{
	platform_device_unregister(device);
	platform_driver_unregister(&driver);
}

module_init(start);
module_exit(end);
